"""How weights begin."""

import torch
from torch import nn


def kaiming_normal_fan_out(model: nn.Module) -> None:
    """Draw every convolution's weights as He et al., 2015, arXiv:1502.01852, by the fan out, biases zero.

    Normalisations and fully connected layers are left as torch makes them.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def paddle_start(model: nn.Module) -> None:
    """Draw convolutions' weights as He et al., 2015, by the fan in, and fully connected layers' as Glorot, 2010.

    Biases are zero. Paddle's own families, PP-LCNet and PP-HGNet, start so.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def truncated_normal(model: nn.Module, deviation: float = 0.02) -> None:
    """Draw the weights of fully connected layers and convolutions from a normal, biases zero.

    The start of transformers and ConvNeXt. Their papers call it truncated; in the authors' code the cut is at
    -2 and 2, a hundred deviations away.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.trunc_normal_(module.weight, std=deviation)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def zero_init(*norms: nn.Module) -> None:
    """Set the scales of normalisations to zero, so that the branch they end starts as nothing."""
    for norm in norms:
        assert isinstance(norm.weight, torch.Tensor)
        nn.init.zeros_(norm.weight)
