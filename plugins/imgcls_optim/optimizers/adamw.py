"""AdamW, torch's."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt

from imgcls import Component, options
from imgcls_optim.optimizers._options import Beta, Common

if TYPE_CHECKING:
    import torch


@options
class AdamW(Common):
    """Loshchilov and Hutter, 2017, Decoupled weight decay regularization, arXiv:1711.05101."""

    betas: Annotated[tuple[Beta, Beta], "of the averages of the gradient and of its square"] = (0.9, 0.999)
    eps: Annotated[float, Gt(0), "added to the root of the average square"] = 1e-8


def build(options: AdamW, model: "torch.nn.Module", batch_size: int | None = None) -> "torch.optim.Optimizer":
    """AdamW over the model's trainable parameters."""
    import torch

    from imgcls_optim.optimizers._groups import parameter_groups

    groups = parameter_groups(model, options, batch_size)
    return torch.optim.AdamW(groups, lr=options.lr, betas=options.betas, eps=options.eps)


COMPONENT = Component(
    "adamw", f"{__name__}:build", AdamW, summary="Adam with decoupled weight decay, arXiv:1711.05101"
)
