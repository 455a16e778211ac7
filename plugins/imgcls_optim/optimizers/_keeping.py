"""Torch code: what the optimizers written here have in common."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

Lists = Mapping[str, list[Tensor]]


class Keeping(torch.optim.Optimizer):
    """Keeps tensors of each parameter's shape and updates the parameters of a group together.

    A group counts its updates in ``step``. Gradients are left as they are.

    Args:
        groups: of parameters, each with ``lr``, ``weight_decay`` and what the subclass keeps in it.
        defaults: the same for all groups.
    """

    first_values: ClassVar[Mapping[str, float]]  # what is kept, and what it holds before the first update

    def __init__(self, groups: list[dict[str, Any]], **defaults: Any) -> None:
        super().__init__(groups, {**defaults, "step": 0})

    @abstractmethod
    def update(
        self, group: Mapping[str, Any], weights: list[Tensor], gradients: list[Tensor], kept: Lists
    ) -> None:
        """Update the weights of a group that have a gradient, and what is kept for them, in place."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002 (torch's signature)
        """Make one update."""
        for group in self.param_groups:
            weights: list[Tensor] = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            group["step"] += 1
            for weight in weights:
                if weight not in self.state:
                    self.state[weight] = {k: torch.full_like(weight, v) for k, v in self.first_values.items()}
            kept = {name: [self.state[weight][name] for weight in weights] for name in self.first_values}
            gradients = [weight.grad for weight in weights if weight.grad is not None]
            self.update(group, weights, gradients, kept)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        super().load_state_dict(state_dict)
        # a file holds tensors in one layout: laid out as the weight again, norms are summed in the same order
        for weight, kept in self.state.items():
            for name, value in kept.items():
                kept[name] = torch.empty_like(weight).copy_(value)
