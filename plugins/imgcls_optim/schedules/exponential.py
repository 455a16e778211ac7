"""Exponential decay."""

import math
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from imgcls import Component, options
from imgcls_optim.schedules._warmup import Schedule, Warmup, warmed_up, warmup_updates


@options
class Exponential(Warmup):
    """Times ``gamma`` every so often after a linear warm-up; the defaults are EfficientNet's."""

    gamma: Annotated[float, Gt(0), Le(1), "factor over each period"] = 0.97
    every: Annotated[float, Gt(0), "length of a period"] = 2.4
    unit: Annotated[Literal["epochs", "steps"], "of the period"] = "epochs"
    staircase: Annotated[bool, "true: all at once at the end of each period"] = False
    least: Annotated[float, Ge(0), Le(1), "factor that it does not fall below"] = 0.0


def build(options: Exponential, total_steps: int, steps_per_epoch: int) -> Schedule:
    """``gamma`` to the power of the periods since the warm-up (arXiv:1905.11946, section 5)."""
    updates = warmup_updates(options, total_steps, steps_per_epoch)
    period = options.every * (steps_per_epoch if options.unit == "epochs" else 1)

    def after(step: int) -> float:
        periods = (step - updates) / period
        return max(options.least, math.pow(options.gamma, math.floor(periods) if options.staircase else periods))

    return warmed_up(options, updates, after)


COMPONENT = Component(
    "exponential",
    f"{__name__}:build",
    Exponential,
    summary="times gamma every so many epochs",
    facts={"lengths": ("every",)},
)
