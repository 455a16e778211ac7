"""Says what workers wait for where a cluster has no room for them."""

import time
from collections.abc import Callable, Sequence

from imgcls.on_ray.resources import Node, fitting
from imgcls.recipe.schema import Workers
from imgcls.report.events import Event

_PATIENCE = 30.0  # seconds from a failure, or from the beginning, to the first worker


class Room:
    """Says once for each wait that there is one, and for what.

    Args:
        workers: that are to train.
        cpus: of each.
        nodes: returns those that are alive.
        emit: takes events.
        now: seconds; of any clock that only goes forward.
    """

    def __init__(
        self,
        workers: Workers,
        cpus: float,
        nodes: Callable[[], Sequence[Node]],
        emit: Callable[[Event], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers = workers
        self._cpus = cpus
        self._nodes = nodes
        self._emit = emit
        self._now = now
        self._since: float | None = now()

    def heard(self, event: Event) -> None:
        """Take note of an event."""
        if event["kind"] == "failure":
            self._since = self._now()
        elif event["kind"] == "run" or event.get("name") == "worker started":
            self._since = None

    def look(self) -> None:
        """Look, if workers have been waited for too long."""
        if self._since is None or self._now() - self._since < _PATIENCE:
            return
        self._since = None
        nodes, need = self._nodes(), self._workers.fewest
        fit = fitting(nodes, self._cpus, any(node.gpus for node in nodes))
        what = f"1 worker of {self._cpus:g} CPU" if need == 1 else f"{need} workers of {self._cpus:g} CPU each"
        why = f"{fit} fit on the nodes that are alive" if fit < need else "others may be using it"
        self._emit({"kind": "note", "time": time.time(), "text": f"waiting for room for {what}: {why}"})
