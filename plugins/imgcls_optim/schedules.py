"""Learning-rate schedules: pure functions from the update's number (from 0) to a factor of the base rate."""

import bisect
import math
from collections.abc import Callable

from imgcls import UserError
from imgcls_optim.options import Constant, Cosine, Step

Schedule = Callable[[int], float]


def _with_warmup(after: Schedule, options: Cosine | Step | Constant, total: int, epoch: int) -> Schedule:
    """Rise linearly to the full rate over the warm-up's updates (Goyal et al., 2017, arXiv:1706.02677)."""
    warmup = round(options.warmup_epochs * epoch)
    if warmup >= total and warmup > 0:
        raise UserError(
            f"schedule: warmup_epochs = {options.warmup_epochs:g} is as long as the run's {total / epoch:g} epochs"
        )
    start = options.warmup_start

    def factor(step: int) -> float:
        if step < warmup:
            return start + (1 - start) * (step + 1) / (warmup + 1)
        return after(step)

    return factor


def cosine(options: Cosine, total_steps: int, steps_per_epoch: int) -> Schedule:
    """Half a cosine (Loshchilov and Hutter, 2016, arXiv:1608.03983, without restarts)."""
    warmup = round(options.warmup_epochs * steps_per_epoch)

    def after(step: int) -> float:
        progress = (step - warmup) / max(1, total_steps - warmup)
        return options.final + (1 - options.final) * 0.5 * (1 + math.cos(math.pi * progress))

    return _with_warmup(after, options, total_steps, steps_per_epoch)


def step(options: Step, total_steps: int, steps_per_epoch: int) -> Schedule:
    """Times gamma at each milestone, which are counted in epochs.

    Raises:
        UserError: milestones that do not rise.
    """
    if list(options.milestones) != sorted(set(options.milestones)):
        raise UserError(f"schedule: milestones must rise, got {list(options.milestones)}")
    edges = [round(milestone * steps_per_epoch) for milestone in options.milestones]

    def after(at: int) -> float:
        return options.gamma ** bisect.bisect_right(edges, at)

    return _with_warmup(after, options, total_steps, steps_per_epoch)


def constant(options: Constant, total_steps: int, steps_per_epoch: int) -> Schedule:
    """Always 1."""
    return _with_warmup(lambda _: 1.0, options, total_steps, steps_per_epoch)
