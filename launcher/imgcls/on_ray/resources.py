"""Whether the workers asked for fit, said with the arithmetic. Imports nothing heavy."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imgcls.errors import UserError
from imgcls.recipe.schema import Workers

_WORKER_BYTES = 450 * 2**20  # of a worker with torch, DALI and Ray, before any image
_HAIR = 1e-6  # ten tenths are a hair off 1 in binary


@dataclass(frozen=True)
class Node:
    """What a node of a cluster has for workers."""

    cpus: float
    gpus: int = 0


def cpus_per_worker(workers: Workers) -> float:
    """Return the CPUs that each worker gets on this machine: what was asked for, or an equal share.

    Raises:
        UserError: they do not fit.
    """
    have = len(os.sched_getaffinity(0))
    share = workers.cpus if workers.cpus is not None else max(1.0, float(have // max(1, workers.count)))
    fewest = workers.fewest
    if fewest * share > have + _HAIR:
        # two digits, rounded down, so that the advice itself fits
        fraction = math.floor(100 * have / fewest) / 100
        advice = (
            f"; --cpus-per-worker {fraction:g} lets them share"
            if fraction > 0
            else f"; start at most {100 * have} here"
        )
        raise UserError(
            f"{fewest} workers of {share:g} CPU need {fewest * share:g} CPUs, this machine has {have}{advice}"
        )
    memory = _available_memory()
    if memory is not None and fewest * _WORKER_BYTES > memory:
        raise UserError(
            f"{fewest} workers need about {fewest * _WORKER_BYTES / 2**30:.1f} GiB of memory, "
            f"{memory / 2**30:.1f} GiB are free; start at most {memory // _WORKER_BYTES}"
        )
    return share


def cpus_on(nodes: Sequence[Node], workers: Workers) -> float:
    """Return the CPUs that each worker gets on a cluster: what was asked for, or an equal share in whole CPUs.

    A worker is on one node, so that the share is one of which there are enough on the nodes together.

    Raises:
        UserError: fewer fit than the run goes on with.
    """
    has_gpus = any(node.gpus for node in nodes)
    share = workers.cpus if workers.cpus is not None else _share(nodes, workers.count, has_gpus)
    fit = fitting(nodes, share, has_gpus)
    if fit >= workers.fewest:
        return share
    listed = ", ".join(f"{count} of {what}" for what, count in _counted(nodes, has_gpus).items()) or "none"
    gpu = " and a GPU" if has_gpus else ""
    who = f"{workers.fewest} worker{'s' if workers.fewest > 1 else ''}"
    advice = f"start at most {fit}, or lower --cpus-per-worker" if fit else "lower --cpus-per-worker, or add nodes"
    raise UserError(
        f"{who} of {share:g} CPU{gpu} each do not fit on the cluster, {fit} do (nodes: {listed}); {advice}"
    )


def fitting(nodes: Sequence[Node], cpus: float, with_gpu: bool) -> int:
    """Return how many workers fit, each on one node, with so many CPUs and perhaps a GPU each."""
    rooms = (int((node.cpus + _HAIR) // cpus) for node in nodes)
    return sum(min(room, node.gpus) if with_gpu else room for room, node in zip(rooms, nodes, strict=True))


def _share(nodes: Sequence[Node], count: int, with_gpu: bool) -> float:
    most = int(sum(node.cpus for node in nodes) // max(1, count))
    return next((float(cpus) for cpus in range(most, 1, -1) if fitting(nodes, cpus, with_gpu) >= count), 1.0)


def _counted(nodes: Sequence[Node], with_gpu: bool) -> dict[str, int]:
    found: dict[str, int] = {}
    for node in nodes:
        what = f"{node.cpus:g} CPUs" + (f" and {node.gpus} GPUs" if with_gpu else "")
        found[what] = found.get(what, 0) + 1
    return found


def _available_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
