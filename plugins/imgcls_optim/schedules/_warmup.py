"""The linear warm-up that every schedule can begin with, and what the schedules share."""

from collections.abc import Callable
from typing import Annotated

from annotated_types import Ge, Le

from imgcls import UserError, options

Schedule = Callable[[int], float]


@options
class Warmup:
    """A linear warm-up, in epochs or in updates."""

    warmup_epochs: Annotated[float, Ge(0), "epochs of linear warm-up"] = 0.0
    warmup_steps: Annotated[int, Ge(0), "updates of linear warm-up, instead of epochs"] = 0
    warmup_start: Annotated[float, Ge(0), Le(1), "factor that the warm-up rises from"] = 0.0


def warmup_updates(options: Warmup, total_steps: int, steps_per_epoch: int) -> int:
    """Return how many updates the warm-up takes.

    Raises:
        UserError: it is given twice, or no update is left after it.
    """
    if options.warmup_epochs and options.warmup_steps:
        raise UserError("schedule: warmup_epochs and warmup_steps are both set; leave one of them out")
    updates = options.warmup_steps or round(options.warmup_epochs * steps_per_epoch)
    if updates >= total_steps and updates > 0:
        said = (
            f"warmup_steps = {options.warmup_steps} is as long as the run's {total_steps} updates"
            if options.warmup_steps
            else f"warmup_epochs = {options.warmup_epochs:g} is as long as the run's "
            f"{total_steps / steps_per_epoch:g} epochs"
        )
        raise UserError(f"schedule: {said}; make it shorter")
    return updates


def warmed_up(options: Warmup, updates: int, after: Schedule) -> Schedule:
    """Rise linearly to the full rate (Goyal et al., 2017, arXiv:1706.02677), then obey ``after``.

    Update ``n`` of ``updates`` has ``start + (1 - start) * (n + 1) / (updates + 1)``: the first one moves, and
    the full rate is reached right after the last one.
    """
    start = options.warmup_start

    def factor(step: int) -> float:
        return start + (1 - start) * (step + 1) / (updates + 1) if step < updates else after(step)

    return factor


def over_the_rest(
    options: Warmup, total_steps: int, steps_per_epoch: int, shape: Callable[[float], float]
) -> Schedule:
    """After a warm-up, obey a function of the share of the updates after it that are done.

    Args:
        options: of the schedule.
        total_steps: updates of the run.
        steps_per_epoch: updates of an epoch.
        shape: from 0, at the first update after the warm-up, towards 1, which would be after the last one.
    """
    updates = warmup_updates(options, total_steps, steps_per_epoch)
    rest = max(1, total_steps - updates)
    return warmed_up(options, updates, lambda step: shape((step - updates) / rest))
