"""A Ray head with a dashboard on this machine, and what is asked of it as a user would."""

import json
import os
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.faults.processes import COMMAND, Ended
from tests.faults.ray_nodes import Node

_ANSWERS = ("IMGCLS_ADDRESS", "IMGCLS_STORAGE")
_PORTS = (
    "--dashboard-agent-listen-port", "--dashboard-agent-grpc-port", "--runtime-env-agent-port",
    "--metrics-export-port", "--ray-client-server-port",
)  # fmt: skip


def free_ports(count: int) -> list[int]:
    """Ports that nothing has now."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    found = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return found


class Head:
    """A head of two CPUs, with a token.

    Attributes:
        url: of its dashboard.
        port: of its control store.
        token: that it wants.
        folder: Ray's temporary one.
    """

    def __init__(self, folder: Path, token: str) -> None:
        self.folder, self.token = folder, token
        self.port, dashboard, *others = free_ports(2 + len(_PORTS))
        self.url = f"http://127.0.0.1:{dashboard}"
        self._arguments = ["--head", "--port", str(self.port), "--num-cpus", "2", "--include-dashboard=true"]
        self._arguments += ["--dashboard-host", "127.0.0.1", "--dashboard-port", str(dashboard)]
        for name, port in zip(_PORTS, others, strict=True):
            self._arguments += [name, str(port)]
        self.node = self._start()

    def _start(self) -> Node:
        return Node(self._arguments, self.folder / "head")

    def ask(self, path: str) -> Any:
        """What the dashboard answers to a request."""
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read())

    def log(self, job: str) -> str:
        """What a job has printed, as Ray has it."""
        return self.ask(f"/api/jobs/{job}/logs")["logs"]

    def package(self, job: str) -> Path:
        """The working directory of a job, as it was unpacked on the head."""
        name = self.ask(f"/api/jobs/{job}")["runtime_env"]["working_dir"].rpartition("/")[2]
        (found,) = self.folder.glob(f"ray/session_2*/runtime_resources/working_dir_files/{Path(name).stem}")
        return found


@contextmanager
def head(set_variable: Callable[[str, str], None], folder: Path) -> Iterator[Head]:
    """Start a head, with our programs first on its PATH, and the token in this process's environment.

    Args:
        set_variable: sets a variable of this process's.
        folder: Ray's temporary one, of a short path.
    """
    token = f"token-{os.urandom(16).hex()}"
    set_variable("RAY_TMPDIR", str(folder))
    set_variable("RAY_AUTH_MODE", "token")
    set_variable("RAY_AUTH_TOKEN", token)
    set_variable("PATH", f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}")
    found = Head(folder, token)
    try:
        yield found
    finally:
        found.node.end()


def run(*arguments: object, cwd: Path, limit: float = 240, **environment: str) -> Ended:
    """An ``imgcls`` command to its end."""
    began = time.monotonic()
    done = subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=cwd,
        env={**{k: v for k, v in os.environ.items() if k not in _ANSWERS}, **environment},
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


class Proxy:
    """A port before the dashboard whose connections can be cut, as a network cuts them."""

    def __init__(self, url: str) -> None:
        self._target = int(url.rpartition(":")[2])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections, and take none until :meth:`mend`."""
        self._is_cut = True
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def mend(self) -> None:
        """Take connections again."""
        self._is_cut = False

    def close(self) -> None:
        """End."""
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._is_cut:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                for source, to in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, to), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                to.sendall(data)
        with suppress(OSError):
            to.shutdown(socket.SHUT_WR)
