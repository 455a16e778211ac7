"""A Ray cluster of several nodes on this machine, each a process tree of its own that can be killed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.processes import _fields, _pids, _read, _running

_RAY = str(Path(sys.executable).with_name("ray"))
_LIMIT = 120.0  # seconds for a node to start
_PORTS = ["--min-worker-port", "0", "--max-worker-port", "0", "--disable-usage-stats"]


class Node:
    """``ray start --block`` in a session of its own."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        command = [_RAY, "start", "--block", "--object-store-memory", "100000000", *_PORTS, *arguments]
        self.log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
        end = time.monotonic() + _LIMIT
        while "Ray runtime started" not in log.read_text():
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)

    def kill_raylet(self) -> None:
        """SIGKILL to the node's raylet alone: what belongs to it must find out for itself."""
        os.kill(self._raylet(), signal.SIGKILL)

    @property
    def identity(self) -> str:
        """What Ray calls the node: hexadecimal digits."""
        words = _read(self._raylet(), "cmdline").decode().split("\0")
        return next(word.partition("=")[2] for word in words if word.startswith("--node_id="))

    def _raylet(self) -> int:
        found = [pid for pid in self._alive() if _read(pid, "cmdline").split(b"\0")[0].endswith(b"/raylet")]
        assert len(found) == 1, found
        return found[0]

    def end(self) -> None:
        """End everything of the node."""
        while alive := self._alive():
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.poll()
            time.sleep(0.02)
        self.process.wait()

    def _alive(self) -> list[int]:
        mine = str(self.process.pid)
        return [pid for pid in _pids() if (fields := _fields(pid)) and fields[3] == mine and _running(pid)]


class Cluster:
    """A head without CPUs, where the launch runs, and nodes, of one CPU each where nothing else is said.

    Attributes:
        address: of the head.
        nodes: in the order of their start, killed ones too.
    """

    def __init__(self, folder: Path, dashboard: bool = False) -> None:
        self._folder = folder
        port = str(_free_port())
        self.address = f"127.0.0.1:{port}"
        # another head on this machine may have the usual ports
        shown = ["--dashboard-port", str(_free_port()), "--dashboard-agent-listen-port", str(_free_port())]
        dashboards = shown if dashboard else ["--include-dashboard=false"]
        self.head = Node(["--head", "--port", port, "--num-cpus", "0", *dashboards], folder / "head")
        self.nodes: list[Node] = []

    def add(self, cpus: int = 1) -> Node:
        """Start a node."""
        log = self._folder / f"node-{len(self.nodes)}"
        self.nodes.append(Node(["--address", self.address, "--num-cpus", str(cpus)], log))
        return self.nodes[-1]

    def drain(self, node: Node, seconds: int) -> None:
        """Have Ray say that a node will be taken away so many seconds from now; it is not taken by that."""
        command = [_RAY, "drain-node", "--address", self.address, "--node-id", node.identity]
        why = ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "a test"]
        deadline = ["--deadline-remaining-seconds", str(seconds)]
        subprocess.run([*command, *why, *deadline], check=True, capture_output=True, timeout=_LIMIT)

    def end(self) -> None:
        """End all nodes, the head last."""
        for node in (*self.nodes, self.head):
            node.end()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


@contextmanager
def cluster(
    set_variable: Callable[[str, str], None], nodes: int, path: Path, cpus: int = 1, dashboard: bool = False
) -> Iterator[Cluster]:
    """Start a cluster with a token and a temporary folder of its own.

    Args:
        set_variable: sets one of this process's environment, for the nodes and for launches.
        nodes: beside the head.
        path: folder for PYTHONPATH.
        cpus: of each node.
        dashboard: whether the head has one.
    """
    # not below pytest's folder: the paths of sockets must be short
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        set_variable("RAY_TMPDIR", folder)
        set_variable("RAY_AUTH_MODE", "token")
        set_variable("RAY_AUTH_TOKEN", uuid.uuid4().hex)
        set_variable("PYTHONPATH", str(path))
        # a dead node is known after 3 s rather than 15
        set_variable("RAY_health_check_period_ms", "1000")
        set_variable("RAY_health_check_failure_threshold", "3")
        found = Cluster(Path(folder), dashboard)
        try:
            for _ in range(nodes):
                found.add(cpus)
            yield found
        finally:
            found.end()
