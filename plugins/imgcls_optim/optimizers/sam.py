"""Sharpness-aware minimization over SGD or AdamW."""

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt, Lt

from imgcls import Component, UserError, options
from imgcls_optim.optimizers._options import Beta, Common

if TYPE_CHECKING:
    import torch


@options
class SAM(Common):
    """Foret et al., 2020, arXiv:2010.01412; each update takes two passes over the batch."""

    rho: Annotated[float, Gt(0), "radius of the neighbourhood; about ten times as large where adaptive"] = 0.05
    adaptive: Annotated[bool, "a radius relative to the size of each weight, arXiv:2102.11600"] = False
    base: Annotated[Literal["sgd", "adamw"], "optimizer that makes the step"] = "sgd"
    momentum: Annotated[float, Ge(0), Lt(1), "of sgd"] = 0.9
    nesterov: Annotated[bool, "of sgd; needs momentum"] = True
    betas: Annotated[tuple[Beta, Beta], "of adamw"] = (0.9, 0.999)
    eps: Annotated[float, Gt(0), "of adamw"] = 1e-8
    weight_decay: Annotated[float, Ge(0), "of the base: sgd's L2 penalty, adamw's decoupled"] = 0.0


def build(options: SAM, model: "torch.nn.Module", batch_size: int | None = None) -> "torch.optim.Optimizer":
    """SAM over the model's trainable parameters.

    Raises:
        UserError: Nesterov without momentum.
    """
    import torch

    from imgcls_optim.optimizers import _sam
    from imgcls_optim.optimizers._groups import parameter_groups

    if options.base == "sgd" and options.nesterov and options.momentum == 0:
        raise UserError("optimizer: nesterov = true needs momentum above 0; set nesterov = false")
    groups = parameter_groups(model, options, batch_size)
    base: torch.optim.Optimizer
    if options.base == "sgd":
        base = torch.optim.SGD(groups, lr=options.lr, momentum=options.momentum, nesterov=options.nesterov)
    else:
        base = torch.optim.AdamW(groups, lr=options.lr, betas=options.betas, eps=options.eps)
    biases = [parameter for name, parameter in model.named_parameters() if name.endswith("bias")]
    return _sam.SAM(base, options.rho, options.adaptive, biases)


COMPONENT = Component("sam", f"{__name__}:build", SAM, summary="SGD or AdamW to a flat minimum, arXiv:2010.01412")
