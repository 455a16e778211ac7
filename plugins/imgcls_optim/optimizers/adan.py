"""Adan, of the library pytorch-optimizer."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt

from imgcls import Component, options
from imgcls_optim.optimizers._options import Beta, Common

if TYPE_CHECKING:
    import torch


@options
class Adan(Common):
    """Xie et al., 2022, Adaptive Nesterov momentum algorithm, arXiv:2208.06677."""

    betas: Annotated[
        tuple[Beta, Beta, Beta],
        "of the averages of the gradient, its difference and the square of both; one minus the paper's",
    ] = (0.98, 0.92, 0.99)
    eps: Annotated[float, Gt(0), "added to the root of the average square"] = 1e-8
    weight_decay: Annotated[float, Ge(0), "an update divides a weight by 1 + lr * weight_decay"] = 0.0


def build(options: Adan, model: "torch.nn.Module", batch_size: int | None = None) -> "torch.optim.Optimizer":
    """Adan over the model's trainable parameters, with bias correction as in its authors' code."""
    import pytorch_optimizer

    from imgcls_optim.optimizers._groups import parameter_groups

    groups = parameter_groups(model, options, batch_size)
    # not decoupled is what the library calls the paper's division after the step
    return pytorch_optimizer.Adan(
        groups, lr=options.lr, betas=options.betas, eps=options.eps, weight_decouple=False
    )


COMPONENT = Component(
    "adan",
    f"{__name__}:build",
    Adan,
    summary="adaptive Nesterov momentum, arXiv:2208.06677",
    # the library copies lists of gradients by an operation that torch has for whole tensors alone
    facts={"fsdp": False},
)
