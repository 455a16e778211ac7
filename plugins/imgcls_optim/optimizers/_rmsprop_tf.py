"""Torch code: RMSProp as in TensorFlow 1, tensorflow/core/kernels/training_ops.cc, ApplyRMSProp."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from imgcls_optim.optimizers._keeping import Keeping, Lists


class RMSpropTF(Keeping):
    """Differs from torch's in three places.

    ``square`` starts at 1, which makes the first steps small; ``eps`` is inside the root, so that it bounds the
    step by 1 / sqrt(eps); and the rate is inside the momentum, so that a step taken at a high rate stays high::

        square = alpha * square + (1 - alpha) * g**2
        moving = momentum * moving + lr * g / sqrt(square + eps)
        weight = weight - moving

    Args:
        groups: with ``lr`` and ``weight_decay``, an L2 penalty that is part of g.
        alpha, eps, momentum: as above.
    """

    first_values: ClassVar[Mapping[str, float]] = {"square": 1.0, "moving": 0.0}

    def __init__(self, groups: list[dict[str, Any]], alpha: float, eps: float, momentum: float) -> None:
        super().__init__(groups, alpha=alpha, eps=eps, momentum=momentum)

    def update(
        self, group: Mapping[str, Any], weights: list[Tensor], gradients: list[Tensor], kept: Lists
    ) -> None:
        """See the class."""
        square, moving = kept["square"], kept["moving"]
        if group["weight_decay"]:
            gradients = list(torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
        torch._foreach_mul_(square, group["alpha"])
        torch._foreach_addcmul_(square, gradients, gradients, value=1 - group["alpha"])
        roots = torch._foreach_add(square, group["eps"])
        torch._foreach_sqrt_(roots)
        torch._foreach_mul_(moving, group["momentum"])
        torch._foreach_addcdiv_(moving, gradients, roots, value=group["lr"])
        torch._foreach_add_(weights, moving, alpha=-1)
