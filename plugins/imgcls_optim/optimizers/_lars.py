"""Torch code: LARS."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from imgcls_optim.optimizers._keeping import Keeping, Lists


class LARS(Keeping):
    """You, Gitman, Ginsburg, 2017, arXiv:1708.03888, Algorithm 1.

    For each tensor w of a group that adapts, with g its gradient and d its weight decay::

        local = trust * |w| / (|g| + d * |w|), or 1 where that is 0 or not finite
        moving = momentum * moving + lr * local * (g + d * w)
        w = w - moving

    Where a group does not adapt, local is 1: SGD.

    Args:
        groups: with ``lr``, ``weight_decay`` and ``adapt``.
        momentum, trust: as above.
    """

    first_values: ClassVar[Mapping[str, float]] = {"moving": 0.0}

    def __init__(self, groups: list[dict[str, Any]], momentum: float, trust: float) -> None:
        super().__init__(groups, momentum=momentum, trust=trust)

    def update(
        self, group: Mapping[str, Any], weights: list[Tensor], gradients: list[Tensor], kept: Lists
    ) -> None:
        """See the class."""
        decay, moving = group["weight_decay"], kept["moving"]
        steps = torch._foreach_add(gradients, weights, alpha=decay)
        if group["adapt"]:
            of_weight = torch.stack(torch._foreach_norm(weights))
            local = group["trust"] * of_weight / (torch.stack(torch._foreach_norm(gradients)) + decay * of_weight)
            # a layer that is zero, as a new classifier may be, would never move
            local = torch.where(local.isfinite() & (local > 0), local, 1.0)
            torch._foreach_mul_(steps, local.unbind())
        torch._foreach_mul_(moving, group["momentum"])
        torch._foreach_add_(moving, steps, alpha=group["lr"])
        torch._foreach_add_(weights, moving, alpha=-1)
