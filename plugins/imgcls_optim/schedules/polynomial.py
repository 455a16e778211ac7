"""A power of the share of the run that is left."""

import math
from typing import Annotated

from annotated_types import Ge, Gt, Le

from imgcls import Component, options
from imgcls_optim.schedules._warmup import Schedule, Warmup, over_the_rest


@options
class Polynomial(Warmup):
    """From 1 to ``final`` by a power of what is left of the run, after a linear warm-up."""

    power: Annotated[float, Gt(0), "1 is a line; 2 is usual with LARS"] = 2.0
    final: Annotated[float, Ge(0), Le(1), "factor after the last update"] = 0.0


def build(options: Polynomial, total_steps: int, steps_per_epoch: int) -> Schedule:
    """``final + (1 - final) * (1 - progress)**power``."""

    def shape(progress: float) -> float:
        return options.final + (1 - options.final) * math.pow(max(0.0, 1 - progress), options.power)

    return over_the_rest(options, total_steps, steps_per_epoch, shape)


COMPONENT = Component("polynomial", f"{__name__}:build", Polynomial, summary="a power of the share that is left")
