"""Whether the workers asked for fit on this machine, said with the arithmetic. Imports nothing heavy."""

import math
import os
from pathlib import Path

from imgcls.errors import UserError
from imgcls.recipe.schema import Workers

_WORKER_BYTES = 450 * 2**20  # of a worker with torch, DALI and Ray, before any image


def cpus_per_worker(workers: Workers) -> float:
    """Return the CPUs that each worker gets: what was asked for, or an equal share.

    Raises:
        UserError: they do not fit.
    """
    have = len(os.sched_getaffinity(0))
    share = workers.cpus if workers.cpus is not None else max(1.0, float(have // max(1, workers.count)))
    if workers.count * share > have + 1e-6:
        # two digits, rounded down, so that the advice itself fits
        fraction = math.floor(100 * have / workers.count) / 100
        advice = (
            f"; --cpus-per-worker {fraction:g} lets them share"
            if fraction > 0
            else f"; start at most {100 * have} here"
        )
        raise UserError(
            f"{workers.count} workers of {share:g} CPU need {workers.count * share:g} CPUs, "
            f"this machine has {have}{advice}"
        )
    memory = _available_memory()
    if memory is not None and workers.count * _WORKER_BYTES > memory:
        raise UserError(
            f"{workers.count} workers need about {workers.count * _WORKER_BYTES / 2**30:.1f} GiB of memory, "
            f"{memory / 2**30:.1f} GiB are free; start at most {memory // _WORKER_BYTES}"
        )
    return share


def _available_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
