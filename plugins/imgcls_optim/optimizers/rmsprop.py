"""RMSprop, torch's."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt

from imgcls import Component, options
from imgcls_optim.optimizers._options import Beta, Common, Momentum

if TYPE_CHECKING:
    import torch


@options
class RMSprop(Common):
    """Tieleman and Hinton, 2012, COURSERA lecture 6.5; epsilon outside the root, as in torch."""

    alpha: Annotated[Beta, "of the average square of the gradient"] = 0.99
    eps: Annotated[float, Gt(0), "added to the root of the average square"] = 1e-8
    momentum: Momentum = 0.0
    centered: Annotated[bool, "divide by the deviation: the average square less the squared average"] = False
    weight_decay: Annotated[float, Ge(0), "L2 penalty"] = 0.0


def build(options: RMSprop, model: "torch.nn.Module", batch_size: int | None = None) -> "torch.optim.Optimizer":
    """RMSprop over the model's trainable parameters."""
    import torch

    from imgcls_optim.optimizers._groups import parameter_groups

    return torch.optim.RMSprop(
        parameter_groups(model, options, batch_size),
        lr=options.lr,
        alpha=options.alpha,
        eps=options.eps,
        momentum=options.momentum,
        centered=options.centered,
    )


COMPONENT = Component("rmsprop", f"{__name__}:build", RMSprop, summary="the gradient over its root mean square")
