"""Several hosts on this machine: each has its own address, host name and file systems, and can be cut off.

A host is a network, a mount and a UTS namespace, tied by a pair of virtual interfaces to a bridge that all share.
"""

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.faults.ray_nodes import Node

_RAY = str(Path(sys.executable).with_name("ray"))
_LIMIT = 180.0  # seconds for a node to start
_OWNERS = re.compile(r"\b(?:imgcls-|ib|iv)(\d+)\b")
PORT = 6379  # every host has all ports for itself
_MOST = 9  # hosts of a cluster


@functools.cache  # removes all hosts there are
def why_not() -> str:
    """Why this machine can have no hosts; "": it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if missing := [tool for tool in ("ip", "nsenter", "unshare") if shutil.which(tool) is None]:
        return f"network namespaces need {', '.join(missing)}"
    name = f"imgcls-{os.getpid()}-0"
    tried = _ip("netns", "add", name, check=False) or _ip("netns", "exec", name, "true", check=False)
    tried = tried or _ip("link", "add", f"ib{os.getpid()}", "type", "bridge", check=False)
    remove()
    return f"network namespaces are refused: {tried}" if tried else ""


def _ip(*words: str, check: bool = True) -> str:
    """Run ip(8), and return what is wrong."""
    ended = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert not (check and ended.returncode), f"ip {' '.join(words)}: {ended.stderr}"
    return ended.stderr.strip() or "failed" if ended.returncode else ""


def _listed(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _inside(name: str) -> list[int]:
    ended = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
    return [int(pid) for pid in ended.stdout.split()]


def remove(of: int | None = None) -> None:
    """Remove all hosts that a process has made, with all that runs there; None: this one."""
    of = os.getpid() if of is None else of
    for name in re.findall(rf"^imgcls-{of}-\d+", _listed("netns", "list"), re.MULTILINE):
        while inside := _inside(name):
            for pid in inside:
                _kill(pid)
            time.sleep(0.02)
        _ip("netns", "delete", name)
    # sockets that are being closed keep a namespace, and its end of a cable, for some minutes
    for interface in re.findall(rf"^iv{of}-\d+|^ib{of}\b", _listed("-brief", "link"), re.MULTILINE):
        _ip("link", "delete", interface, check=False)


def remove_stale() -> None:
    """Remove what test processes that were killed have left."""
    found = _OWNERS.findall(_listed("netns", "list") + _listed("-brief", "link"))
    for owner in {int(number) for number in found}:
        if not Path(f"/proc/{owner}").exists():
            remove(owner)


def bridge() -> str:
    """Make the bridge of this process's hosts; return the first three numbers of their addresses."""
    network, name = _free_network(), f"ib{os.getpid()}"
    _ip("link", "add", name, "type", "bridge")
    _ip("address", "add", f"{network}.254/24", "dev", name)
    _ip("link", "set", name, "up")
    return network


class Host:
    """One host: a process that sleeps in its namespaces keeps them.

    Args:
        number: from 1; 1 is the head's.
        network: the first three numbers of the addresses.
        folder: for files of the host's own.
        private: a folder that only this host sees, empty.
    """

    def __init__(self, number: int, network: str, folder: Path, private: Path | None = None) -> None:
        me = os.getpid()
        self.name = f"host{number}"
        self.address = f"{network}.{number}"
        self._namespace, self._cable = f"imgcls-{me}-{number}", f"iv{me}-{number}"
        _ip("netns", "add", self._namespace)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self._namespace)
        _ip("link", "set", self._cable, "master", f"ib{me}", "up")
        for words in (
            ["address", "add", f"{self.address}/24", "dev", "eth0"],
            ["link", "set", "eth0", "up"],
            ["link", "set", "lo", "up"],
            ["route", "add", "default", "via", f"{network}.254"],
        ):
            _ip("-netns", self._namespace, *words)
        # as on Debian: the host's own name is an address that no other host can reach. The addresses have names, as
        # a name server has them: where it does not answer, each connection of torch's waits for 10 s
        named = "".join(f"{network}.{other} host{other}.cluster\n" for other in range(1, _MOST + 1))
        hosts = folder / f"hosts-{number}"
        hosts.write_text(f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n{named}")
        script = f"hostname {self.name} && mount --bind {hosts} /etc/hosts"
        script += f" && mount -t tmpfs none {private}" if private else ""
        command = ["ip", "netns", "exec", self._namespace, "unshare", "--uts", "sh", "-ec"]
        self._keeper = subprocess.Popen(
            [*command, f"{script}; echo ready; exec sleep infinity"], stdout=subprocess.PIPE, text=True
        )
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == "ready\n", script

    def command(self, *words: object) -> list[str]:
        """Return what runs a command on this host, in the folder that it is started in."""
        enter = ["nsenter", "--target", str(self._keeper.pid), "--net", "--mount", "--uts", "--wd=."]
        return [*enter, *map(str, words)]

    def cut(self) -> None:
        """Take the cable out."""
        _ip("link", "set", self._cable, "down")

    def mend(self) -> None:
        """Put the cable in again."""
        _ip("link", "set", self._cable, "up")


class RayNode(Node):
    """``ray start --block`` on a host; started again a second after its end, where it is looked after.

    Attributes:
        starts: so far.
    """

    def __init__(self, host: Host, arguments: Sequence[str], log: Path) -> None:
        self.host = host
        self.log = log
        self.starts = 0
        self._arguments = arguments
        self._over = threading.Event()
        self._start()

    def _start(self) -> None:
        self.starts += 1
        if "--head" in self._arguments:
            # hosts have one table of processes here: a head that is started again would take raylets of other
            # hosts for those of a cluster that it has already
            Path(os.environ["RAY_TMPDIR"], "ray/ray_current_cluster").unlink(missing_ok=True)
        command = [_RAY, "start", "--block", "--object-store-memory", "100000000", "--disable-usage-stats"]
        address = ["--node-ip-address", self.host.address]
        with self.log.open("w") as file:
            self.process = subprocess.Popen(
                self.host.command(*command, *address, *self._arguments),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until it has started."""
        end = time.monotonic() + _LIMIT
        while "Ray runtime started" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def start_again(self) -> None:
        """Start it, after its end."""
        self.end()
        self._start()
        self.wait()

    @contextmanager
    def looked_after(self) -> Iterator[None]:
        """Start it again whenever it ends, as systemd, Kubernetes and Docker do."""
        self._over.clear()
        thread = threading.Thread(target=self._look_after)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _look_after(self) -> None:
        while not self._over.wait(1.0):
            if self.process.poll() is not None:
                Node.end(self)  # what it has left
                self._start()


class Hosts:
    """A head and worker hosts with Ray on each, of one CPU each where nothing else is said."""

    def __init__(self, folder: Path, workers: int, head_cpus: int, dashboard: bool) -> None:
        network = bridge()
        hosts = [Host(number, network, folder) for number in range(1, workers + 2)]
        self.address = f"{hosts[0].address}:{PORT}"
        head = ["--head", "--port", str(PORT), "--num-cpus", str(head_cpus)]
        head.append(f"--include-dashboard={str(dashboard).lower()}")
        self.head = self._started(hosts[0], head, folder)
        self.workers: list[RayNode] = []
        for host in hosts[1:]:  # one after another: of two at once one may time out
            self.workers.append(self._started(host, ["--address", self.address, "--num-cpus", "1"], folder))

    @staticmethod
    def _started(host: Host, arguments: Sequence[str], folder: Path) -> RayNode:
        node = RayNode(host, arguments, folder / f"{host.name}.log")
        node.wait()
        return node

    def end(self) -> None:
        """End all nodes, the head last."""
        for node in (*self.workers, self.head):
            node.end()


def _free_network() -> str:
    taken = _listed("-brief", "-4", "address")
    first = os.getpid() % 200
    return next(f"10.77.{(first + n) % 250}" for n in range(250) if f"10.77.{(first + n) % 250}." not in taken)


@contextmanager
def hosts(
    set_variable: Callable[[str, str], None], workers: int, head_cpus: int, path: Path, dashboard: bool = False
) -> Iterator[Hosts]:
    """Start a cluster of hosts with a token of its own.

    Args:
        set_variable: sets one of this process's environment, for the nodes and for launches.
        workers: hosts beside the head.
        head_cpus: that workers may have on the head.
        path: folder for PYTHONPATH.
        dashboard: of the head; jobs need it, and a head starts sooner without.
    """
    remove_stale()
    # not below pytest's folder: the paths of sockets must be short
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        set_variable("RAY_TMPDIR", folder)
        set_variable("RAY_AUTH_MODE", "token")
        set_variable("RAY_AUTH_TOKEN", uuid.uuid4().hex)
        set_variable("PYTHONPATH", str(path))
        set_variable("PATH", f"{Path(_RAY).parent}{os.pathsep}{os.environ['PATH']}")  # a job's python is the first
        try:
            yield Hosts(Path(folder), workers, head_cpus, dashboard)
        finally:
            remove()
