"""Optimizers, learning-rate schedules and losses: a file each, found by where it lies."""

from collections.abc import Iterable

from imgcls import Component, hookimpl


@hookimpl
def imgcls_optimizers() -> Iterable[Component]:
    from imgcls_optim.optimizers import COMPONENTS

    return COMPONENTS


@hookimpl
def imgcls_schedules() -> Iterable[Component]:
    from imgcls_optim.schedules import COMPONENTS

    return COMPONENTS


@hookimpl
def imgcls_losses() -> Iterable[Component]:
    from imgcls_optim.losses import COMPONENTS

    return COMPONENTS
