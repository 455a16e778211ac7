"""Torch code: labels as shares."""

import torch
from torch import Tensor


def shares(logits: Tensor, targets: Tensor) -> Tensor:
    """Return targets as shares of the classes, (N, classes) in the logits' type, whichever form they have.

    Args:
        logits: (N, classes).
        targets: int64 labels (N,), or shares (N, classes).
    """
    if targets.ndim == logits.ndim:
        return targets.to(logits.dtype)
    return torch.zeros_like(logits).scatter_(1, targets[:, None], 1.0)
