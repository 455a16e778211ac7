"""Ray's word that it is about to take a node away: a preemption notice, or ``ray drain-node``."""

import os
import time
from collections.abc import Callable
from typing import Any

_BEFORE = 10.0  # seconds before a node is taken away, at which a last checkpoint is begun


def drain_notice() -> Callable[[], str]:
    """Return what tells, once for each notice, what the user should know; otherwise "".

    Made in a worker of Ray Train, asked in any thread. Ray Train's own watcher
    (``RAY_TRAIN_ENABLE_PREEMPTION_WATCHER``) leaves the notice in each worker. ``get_preemption_info`` would
    have all workers meet to hear it, which takes 3.7 ms and must not be called from a thread beside training.
    """
    if os.environ.get("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER") == "0":  # a cluster of our own
        return str
    from ray.train.v2._internal.execution.context import get_train_context

    try:
        context = get_train_context().preemption_context
    except (AttributeError, RuntimeError):  # a version of Ray without it
        return str
    return Notices(lambda: context.preemption_info).next


def draining() -> set[str]:
    """Return the nodes that Ray takes away soon, and starts nothing on; asked in a process that Ray started."""
    import ray

    return set(ray._private.state.state.get_draining_nodes())


class Notices:
    """Tells of each node when it is known that it will be taken away, and again right before it is.

    Ray Train ends the workers when that time has come; steps since the second notice are made again.

    Args:
        info: returns a ``ray.train.PreemptionInfo``, or None.
        now: seconds since 1970.
    """

    def __init__(self, info: Callable[[], Any], now: Callable[[], float] = time.time) -> None:
        self._info = info
        self._now = now
        self._told: set[str] = set()
        self._again: float | None = None  # when to tell of it once more

    def next(self) -> str:
        """Return what the user should know and has not been told, or ""."""
        info = self._info()
        if info is None:
            return ""
        now = self._now()
        if not self._told.issuperset(info.preempted_node_ids):
            self._told.update(info.preempted_node_ids)
            last = info.deadline_ms / 1000 - _BEFORE if info.deadline_ms else 0.0
            self._again = last if last > now + _BEFORE else None
            return described(info, now)
        if self._again is None or now < self._again:
            return ""
        self._again = None
        return described(info, now)


def described(info: Any, now: float) -> str:
    """Say which workers will be lost and when.

    Args:
        info: a ``ray.train.PreemptionInfo``.
        now: seconds since 1970.
    """
    ranks = ", ".join(str(rank) for rank in info.preempted_ranks)
    nodes = ", ".join(node[:8] for node in info.preempted_node_ids)
    when = "soon" if not info.deadline_ms else f"in {max(0.0, info.deadline_ms / 1000 - now):.0f} s"
    return f"Ray will take node {nodes} away {when}, with worker {ranks}; saving a checkpoint now, and going on"
