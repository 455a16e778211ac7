"""Torch code: cross-entropy with weights of classes."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional


class WeightedCrossEntropy(nn.Module):
    """``sum over c of -weight[c] * target[c] * log p[c]``, the mean over samples.

    torch's own mean divides by the sum of the weights of the batch's labels, which differs from worker to worker.

    Args:
        weights: (classes,).
        label_smoothing: share of the target spread over all classes.
    """

    weights: Tensor

    def __init__(self, weights: NDArray[np.float64], label_smoothing: float) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits (N, classes) and labels (N,) or shares (N, classes) to the mean, ()."""
        each = functional.cross_entropy(
            logits, targets, self.weights.to(logits.dtype), reduction="none", label_smoothing=self.label_smoothing
        )
        return each.mean()
