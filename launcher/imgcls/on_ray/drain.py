"""Ray's word that it is about to take a node away: a preemption notice, or ``ray drain-node``."""

import os
import time
from collections.abc import Callable
from typing import Any


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
    told: set[str] = set()

    def notice() -> str:
        info = context.preemption_info
        if info is None or told.issuperset(info.preempted_node_ids):
            return ""
        told.update(info.preempted_node_ids)
        return described(info, time.time())

    return notice


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
