"""Whether a cluster's nodes answer on the network. Ray may take more than a minute to say that one does not."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping

Address = tuple[str, int]
"""Host and port."""

GONE = 10.0  # seconds without an answer, after which a node's workers are not waited for where others can go on
_EVERY = 2.0  # seconds between two attempts
_PATIENCE = 2.0  # seconds for a connection
_CONTROL_STORE = 10.0  # seconds for its answer
_SHAKY = 4.0  # seconds without an answer, after which a node is not relied on for a while
_AGAIN = 60.0  # seconds: half a minute after a cut of that length, Ray declared the node dead all the same


class Reach:
    """Connects to every node now and then, and knows which have not answered since when.

    It is the node's kernel that answers, so that one that is merely busy does.

    Args:
        nodes: returns what is to be asked: a node's name -> where one of its processes listens.
        now: seconds; of any clock that only goes forward.
    """

    def __init__(
        self, nodes: Callable[[], Mapping[str, Address]], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._nodes = nodes
        self._now = now
        self._since: dict[str, float] = {}
        self._relied_on: dict[str, float] = {}  # from when on, where it is later than now
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def start(self) -> "Reach":
        """Look again and again, in a thread that ends after :meth:`stop`, or with the process."""
        threading.Thread(target=self._run, name="reach", daemon=True).start()
        return self

    def look(self) -> None:
        """Ask all nodes once; takes two seconds where one does not answer."""
        began, nodes = self._now(), self._nodes()
        answered = answering(nodes, _PATIENCE)
        now = self._now()
        with self._lock:
            self._since = {node: self._since.get(node, began) for node in nodes if node not in answered}
            shaky = {node: now + _AGAIN for node, since in self._since.items() if now - since >= _SHAKY}
            self._relied_on = {node: until for node, until in self._relied_on.items() if until > now} | shaky

    def silent(self, seconds: float) -> set[str]:
        """Return the nodes that have not answered for so many seconds."""
        now = self._now()
        with self._lock:
            return {node for node, since in self._since.items() if now - since >= seconds}

    def unreliable(self) -> set[str]:
        """Return the nodes to start nothing on: those that did not answer last, or not for a while lately."""
        now = self._now()
        with self._lock:
            return {*self._since, *(node for node, until in self._relied_on.items() if until > now)}

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            # whatever goes wrong here may not the next time, and is no fault of the run
            with contextlib.suppress(Exception):
                self.look()
            self._stopped.wait(_EVERY)


def others() -> Callable[[], dict[str, Address]]:
    """Return what tells where the raylets of the other nodes that Ray takes for alive listen."""
    import ray
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    # asked once: where Ray has been left meanwhile, the question would start it
    context = ray.get_runtime_context()
    mine = context.get_node_id()
    # ray.nodes() would abort this process where another head has taken the place of ours; this raises
    client = GcsClient(address=context.gcs_address)

    def found() -> dict[str, Address]:
        infos = client.get_all_node_info(timeout=_CONTROL_STORE)
        alive = {node.hex(): info for node, info in infos.items() if info.state == info.ALIVE}
        return {
            node: (info.node_manager_address, info.node_manager_port)
            for node, info in alive.items()
            if node != mine
        }

    return found


def answering(addresses: Mapping[str, Address], patience: float) -> set[str]:
    """Return the names of those that a connection can be made to.

    Args:
        addresses: name -> host, as a number, and port.
        patience: seconds for all of them together.
    """
    found = set()
    end = time.monotonic() + patience
    with selectors.DefaultSelector() as waiting, contextlib.ExitStack() as opened:
        for name, (host, port) in addresses.items():
            attempt = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            opened.enter_context(attempt).setblocking(False)
            attempt.connect_ex((host, port))
            waiting.register(attempt, selectors.EVENT_WRITE, name)
        while waiting.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in waiting.select(left):
                waiting.unregister(key.fileobj)
                if not key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):  # type: ignore[union-attr]
                    found.add(str(key.data))
    return found
