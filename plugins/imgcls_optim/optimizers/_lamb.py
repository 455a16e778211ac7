"""Torch code: LAMB."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from imgcls_optim.optimizers._keeping import Keeping, Lists


class LAMB(Keeping):
    """You et al., 2019, arXiv:1904.00962, Algorithm 2, with the identity for its phi.

    For each tensor w of a group that adapts, at update t from 1, with g its gradient and d its weight decay::

        mean = b1 * mean + (1 - b1) * g
        square = b2 * square + (1 - b2) * g**2
        u = (mean / (1 - b1**t)) / (sqrt(square / (1 - b2**t)) + eps) + d * w
        w = w - lr * |w| / |u| * u

    Where a group does not adapt, or a norm is 0, |w| / |u| is taken as 1: AdamW. Nothing is clipped here; the
    training step clips gradients.

    Args:
        groups: with ``lr``, ``weight_decay`` and ``adapt``.
        betas: b1 and b2.
        eps: as above.
    """

    first_values: ClassVar[Mapping[str, float]] = {"mean": 0.0, "square": 0.0}

    def __init__(self, groups: list[dict[str, Any]], betas: tuple[float, float], eps: float) -> None:
        super().__init__(groups, betas=betas, eps=eps)

    def update(
        self, group: Mapping[str, Any], weights: list[Tensor], gradients: list[Tensor], kept: Lists
    ) -> None:
        """See the class."""
        (b1, b2), at, mean, square = group["betas"], group["step"], kept["mean"], kept["square"]
        torch._foreach_mul_(mean, b1)
        torch._foreach_add_(mean, gradients, alpha=1 - b1)
        torch._foreach_mul_(square, b2)
        torch._foreach_addcmul_(square, gradients, gradients, value=1 - b2)
        roots = torch._foreach_sqrt(square)
        torch._foreach_div_(roots, math.sqrt(1 - b2**at))
        torch._foreach_add_(roots, group["eps"])
        steps = torch._foreach_div(mean, roots)
        torch._foreach_div_(steps, 1 - b1**at)
        torch._foreach_add_(steps, weights, alpha=group["weight_decay"])
        if group["adapt"]:
            ratio = torch.stack(torch._foreach_norm(weights)) / torch.stack(torch._foreach_norm(steps))
            ratio = torch.where(ratio.isfinite() & (ratio > 0), ratio, 1.0)
            torch._foreach_mul_(steps, ratio.unbind())
        torch._foreach_add_(weights, steps, alpha=-group["lr"])
