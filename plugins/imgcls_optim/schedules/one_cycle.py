"""One cycle: up, then down to almost nothing."""

import math
from collections.abc import Callable
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from imgcls import Component, options
from imgcls_optim.schedules._warmup import Schedule, Warmup, warmup_updates


@options
class OneCycle(Warmup):
    """Up to the full rate and down to ``final``; the warm-up is the way up. The defaults are torch's."""

    warmup_start: Annotated[float, Ge(0), Le(1), "factor that the way up begins at"] = 0.04
    rise: Annotated[float, Gt(0), Lt(1), "share of the run for the way up, where no warm-up is set"] = 0.3
    shape: Annotated[Literal["cosine", "linear"], "of both ways"] = "cosine"
    final: Annotated[float, Ge(0), Le(1), "factor after the last update"] = 4e-6


def build(options: OneCycle, total_steps: int, steps_per_epoch: int) -> Schedule:
    """Smith and Topin, 2017, Super-convergence, arXiv:1708.07120, in two phases and with momentum as it is."""
    updates = warmup_updates(options, total_steps, steps_per_epoch) or round(options.rise * total_steps)
    rest = max(1, total_steps - updates)
    eased: Callable[[float], float] = _half_cosine if options.shape == "cosine" else float

    def factor(step: int) -> float:
        if step < updates:
            return options.warmup_start + (1 - options.warmup_start) * eased((step + 1) / (updates + 1))
        return 1 - (1 - options.final) * eased((step - updates) / rest)

    return factor


def _half_cosine(progress: float) -> float:
    return 0.5 * (1 - math.cos(math.pi * progress))


COMPONENT = Component("one_cycle", f"{__name__}:build", OneCycle, summary="up and down, arXiv:1708.07120")
