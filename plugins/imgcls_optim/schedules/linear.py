"""A straight line."""

from typing import Annotated

from annotated_types import Ge, Le

from imgcls import Component, options
from imgcls_optim.schedules._warmup import Schedule, Warmup, over_the_rest


@options
class Linear(Warmup):
    """A line from 1 to ``final`` after a linear warm-up."""

    final: Annotated[float, Ge(0), Le(1), "factor after the last update"] = 0.0


def build(options: Linear, total_steps: int, steps_per_epoch: int) -> Schedule:
    """``1 - (1 - final) * progress``."""
    return over_the_rest(
        options, total_steps, steps_per_epoch, lambda progress: 1 - (1 - options.final) * min(1.0, progress)
    )


COMPONENT = Component("linear", f"{__name__}:build", Linear, summary="a straight line")
