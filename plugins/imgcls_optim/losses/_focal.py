"""Torch code: focal loss."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imgcls_optim.losses._shares import shares

# least value of 1 - p: the power's slope at 0 is infinite for gamma below 1, and 0 times that is no number
_TINY = 1e-30


class Focal(nn.Module):
    """``sum over c of -alpha[c] * target[c] * (1 - p[c])**gamma * log p[c]``, the mean over samples.

    Lin et al., 2017, arXiv:1708.02002, equation 5, with p the softmax instead of a sigmoid. Like all weighted
    losses here it is divided by the number of samples.

    Args:
        gamma: as above.
        alpha: weights of the classes (classes,); None for 1.
    """

    alpha: Tensor | None

    def __init__(self, gamma: float, alpha: NDArray[np.float64] | None) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("alpha", None if alpha is None else torch.tensor(alpha, dtype=torch.float32))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits (N, classes) and labels (N,) or shares (N, classes) to the mean over samples, ()."""
        logs = logits.log_softmax(1)
        wrong = (-logs.expm1()).clamp(min=_TINY)
        weights = shares(logits, targets)
        if self.alpha is not None:
            weights = weights * self.alpha.to(logits.dtype)
        return -(weights * wrong**self.gamma * logs).sum(1).mean()
