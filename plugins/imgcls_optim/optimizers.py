"""Builders of optimizers: torch's own."""

import torch
from torch import nn

from imgcls import UserError
from imgcls_optim.options import SGD


def sgd(options: SGD, model: nn.Module) -> torch.optim.Optimizer:
    """SGD over the model's trainable parameters.

    Raises:
        UserError: Nesterov without momentum.
    """
    if options.nesterov and options.momentum == 0:
        raise UserError("optimizer: nesterov = true needs momentum above 0; set nesterov = false")
    groups = _groups(model, options.weight_decay, options.decay_norm_and_bias)
    return torch.optim.SGD(groups, lr=options.lr, momentum=options.momentum, nesterov=options.nesterov)


def _groups(model: nn.Module, decay: float, everything: bool) -> list[dict[str, object]]:
    weights = [p for p in model.parameters() if p.requires_grad]
    if everything:
        return [{"params": weights, "weight_decay": decay}]
    # biases and the weights of normalisations are the parameters of one dimension
    return [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
