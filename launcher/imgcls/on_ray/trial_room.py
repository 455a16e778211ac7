"""How many trials fit at a time, said with the arithmetic. Imports nothing heavy."""

from collections.abc import Sequence
from dataclasses import dataclass

from imgcls.errors import UserError
from imgcls.on_ray.resources import Node, fitting


@dataclass(frozen=True)
class TrialRoom:
    """What trials get.

    Attributes:
        cpus: of each worker.
        gpu: whether each has a GPU.
        at_a_time: how many trials.
        why: in words.
    """

    cpus: float
    gpu: bool
    at_a_time: int
    why: str


def trial_room(
    nodes: Sequence[Node], workers: int, cpus: float | None, trials: int, most: int | None
) -> TrialRoom:
    """Return how many trials fit on a cluster at a time.

    A trial's workers are placed all at once or not at all, so that a trial for which there is no room waits
    without holding any of it.

    Args:
        nodes: of the cluster.
        workers: of a trial.
        cpus: of a worker; None: one, or with fewer trials than fit, an equal share in whole CPUs.
        trials: how many there are in all.
        most: more are not wanted at a time.

    Raises:
        UserError: not one trial fits, ever.
    """
    gpu = any(node.gpus for node in nodes)
    wanted = min(trials, most if most is not None else trials)
    share = cpus if cpus is not None else _share(nodes, workers, wanted, gpu)
    slots = fitting(nodes, share, gpu)
    has = " and ".join(_counted(nodes, gpu))
    each = f"{share:g} CPU{'s' if share != 1 else ''}{' and a GPU' if gpu else ''}"
    of = f"{workers} workers of {each} each" if workers > 1 else f"a worker of {each}"
    if slots < workers:
        raise UserError(
            f"a trial of {of} never fits: the cluster has {has}{_spread(nodes, gpu)}, "
            f"room for {slots} such worker{'' if slots == 1 else 's'}; lower --workers-per-trial or "
            "--cpus-per-worker, or add nodes"
        )
    fit = slots // workers
    at_a_time = min(fit, wanted)
    reason = "" if at_a_time == fit else f"; {fit} would fit"
    return TrialRoom(
        share, gpu, at_a_time, f"{at_a_time} at a time: a trial has {of}, the cluster has {has}{reason}"
    )


def _share(nodes: Sequence[Node], workers: int, trials: int, gpu: bool) -> float:
    """Return the most whole CPUs a worker with which as many trials fit as with one."""
    best = min(fitting(nodes, 1.0, gpu) // workers, trials)
    if best == 0:
        return 1.0
    largest = int(max(node.cpus for node in nodes))
    return next(
        (float(cpus) for cpus in range(largest, 1, -1) if fitting(nodes, float(cpus), gpu) // workers >= best), 1.0
    )


def _counted(nodes: Sequence[Node], gpu: bool) -> list[str]:
    cpus = sum(node.cpus for node in nodes)
    gpus = sum(node.gpus for node in nodes)
    found = [f"{cpus:g} CPU{'s' if cpus != 1 else ''}"]
    return [*found, f"{gpus} GPU{'s' if gpus != 1 else ''}"] if gpu else found


def _spread(nodes: Sequence[Node], gpu: bool) -> str:
    """Return on how many nodes it is, where that can be why a worker does not fit."""
    able = sum(1 for node in nodes if (node.gpus if gpu else node.cpus))
    return f" on {able} nodes (a worker is on one)" if able > 1 else ""
