"""Half a cosine."""

import math
from typing import Annotated

from annotated_types import Ge, Le

from imgcls import Component, options
from imgcls_optim.schedules._warmup import Schedule, Warmup, over_the_rest


@options
class Cosine(Warmup):
    """Half a cosine from 1 to ``final`` after a linear warm-up."""

    final: Annotated[float, Ge(0), Le(1), "factor after the last update"] = 0.0


def build(options: Cosine, total_steps: int, steps_per_epoch: int) -> Schedule:
    """Half a cosine (Loshchilov and Hutter, 2016, arXiv:1608.03983, without restarts)."""

    def shape(progress: float) -> float:
        return options.final + (1 - options.final) * 0.5 * (1 + math.cos(math.pi * progress))

    return over_the_rest(options, total_steps, steps_per_epoch, shape)


COMPONENT = Component("cosine", f"{__name__}:build", Cosine, summary="half a cosine, arXiv:1608.03983")
