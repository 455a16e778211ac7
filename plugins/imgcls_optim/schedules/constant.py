"""The same rate throughout."""

from imgcls import Component, options
from imgcls_optim.schedules._warmup import Schedule, Warmup, over_the_rest


@options
class Constant(Warmup):
    """The same rate throughout, after a linear warm-up."""


def build(options: Constant, total_steps: int, steps_per_epoch: int) -> Schedule:
    """Always 1."""
    return over_the_rest(options, total_steps, steps_per_epoch, lambda _: 1.0)


COMPONENT = Component("constant", f"{__name__}:build", Constant, summary="the same rate throughout")
