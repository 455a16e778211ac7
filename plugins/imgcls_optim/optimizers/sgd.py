"""Stochastic gradient descent, torch's."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from imgcls import Component, UserError, options
from imgcls_optim.optimizers._options import Common, Momentum

if TYPE_CHECKING:
    import torch


@options
class SGD(Common):
    """Stochastic gradient descent with momentum, as in torch."""

    momentum: Momentum = 0.9
    nesterov: Annotated[bool, "Nesterov's accelerated gradient; needs momentum"] = True
    weight_decay: Annotated[float, Ge(0), "L2 penalty"] = 0.0
    decay_norm_and_bias: Annotated[bool, "false: no L2 penalty on biases and normalisation weights"] = True


def build(options: SGD, model: "torch.nn.Module", batch_size: int | None = None) -> "torch.optim.Optimizer":
    """SGD over the model's trainable parameters.

    Raises:
        UserError: Nesterov without momentum.
    """
    import torch

    from imgcls_optim.optimizers._groups import parameter_groups

    if options.nesterov and options.momentum == 0:
        raise UserError("optimizer: nesterov = true needs momentum above 0; set nesterov = false")
    groups = parameter_groups(model, options, batch_size)
    return torch.optim.SGD(groups, lr=options.lr, momentum=options.momentum, nesterov=options.nesterov)


COMPONENT = Component("sgd", f"{__name__}:build", SGD, summary="SGD with (Nesterov) momentum")
