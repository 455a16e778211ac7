"""Optimizers, learning-rate schedules and losses."""

from collections.abc import Iterable

from imgcls import Component, hookimpl


@hookimpl
def imgcls_optimizers() -> Iterable[Component]:
    from imgcls_optim.options import SGD

    return [Component("sgd", "imgcls_optim.optimizers:sgd", SGD, summary="SGD with (Nesterov) momentum")]


@hookimpl
def imgcls_schedules() -> Iterable[Component]:
    from imgcls_optim.options import Constant, Cosine, Step

    return [
        Component("cosine", "imgcls_optim.schedules:cosine", Cosine, summary="half a cosine, arXiv:1608.03983"),
        Component("step", "imgcls_optim.schedules:step", Step, summary="times gamma at milestones"),
        Component("constant", "imgcls_optim.schedules:constant", Constant, summary="the same rate throughout"),
    ]


@hookimpl
def imgcls_losses() -> Iterable[Component]:
    from imgcls_optim.options import CrossEntropy

    build = "imgcls_optim.losses:cross_entropy"
    return [Component("cross_entropy", build, CrossEntropy, summary="with label smoothing, arXiv:1512.00567")]
