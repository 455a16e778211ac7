"""Steps down at milestones."""

import bisect
from typing import Annotated, Literal

from annotated_types import Gt, Le

from imgcls import Component, UserError, options
from imgcls_optim.schedules._warmup import Schedule, Warmup, warmed_up, warmup_updates


@options
class Step(Warmup):
    """Times ``gamma`` at each milestone, after a linear warm-up."""

    milestones: Annotated[tuple[float, ...], "when the rate is lowered, counted from the start of the run"]
    unit: Annotated[Literal["epochs", "steps"], "of the milestones"] = "epochs"
    gamma: Annotated[float, Gt(0), Le(1), "factor at each milestone"] = 0.1


def build(options: Step, total_steps: int, steps_per_epoch: int) -> Schedule:
    """``gamma`` to the power of the milestones that have been reached.

    Raises:
        UserError: milestones that do not rise, or steps that are not whole.
    """
    milestones = list(options.milestones)
    if milestones != sorted(set(milestones)):
        raise UserError(f"schedule: milestones must rise, got {milestones}")
    if options.unit == "steps" and any(milestone % 1 for milestone in milestones):
        raise UserError(f'schedule: unit = "steps", so milestones must be whole numbers, got {milestones}')
    updates = warmup_updates(options, total_steps, steps_per_epoch)
    each = steps_per_epoch if options.unit == "epochs" else 1
    edges = [round(milestone * each) for milestone in milestones]
    return warmed_up(options, updates, lambda step: options.gamma ** bisect.bisect_right(edges, step))


COMPONENT = Component(
    "step",
    f"{__name__}:build",
    Step,
    summary="times gamma at milestones",
    facts={"lengths": ("milestones",)},
)
