"""Says which nodes of a cluster do not answer, where a run can only wait for them."""

import time
from collections.abc import Callable, Mapping

from imgcls.on_ray.reach import GONE, Address, Reach
from imgcls.report.events import Event


class Silence:
    """Says once of each node that it has not answered for a while, and once that it does again.

    Args:
        nodes: returns where each node is to be asked.
        emit: takes events.
        now: seconds; of any clock that only goes forward.
    """

    def __init__(
        self,
        nodes: Callable[[], Mapping[str, Address]],
        emit: Callable[[Event], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._nodes = nodes
        self._emit = emit
        self._hosts: dict[str, str] = {}  # of the nodes at the last look
        self._told: dict[str, str] = {}
        self.reach = Reach(self._looked_for, now)

    def look(self) -> None:
        """Say what there is to say. Returns at once."""
        hosts, long, now = self._hosts, self.reach.silent(GONE), self.reach.silent(0.0)
        for node in sorted(long & hosts.keys() - self._told.keys()):
            self._told[node] = hosts[node]
            self._say(f"{hosts[node]} has not answered for {GONE:.0f} s; workers there are waited for")
        # one that Ray has given up is not looked for any more: what follows is told by the workers' failure
        for node in sorted(self._told.keys() & hosts.keys() - now):
            self._say(f"{self._told.pop(node)} answers again")

    def _looked_for(self) -> Mapping[str, Address]:
        nodes = self._nodes()
        self._hosts = {node: host for node, (host, _) in nodes.items()}
        return nodes

    def _say(self, text: str) -> None:
        self._emit({"kind": "note", "time": time.time(), "text": text})
