"""Torch code: SAM."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

# added to |w| where adaptive, so that a weight of zero is moved too: eta of arXiv:2102.11600, section 5
_ETA = 0.01


class SAM(torch.optim.Optimizer):
    """Steps by the gradient at the worst point of a neighbourhood (Foret et al., 2020, arXiv:2010.01412).

    An update is: gradients, :meth:`ascend`, gradients once more from zero, :meth:`step`. With g the gradient of
    all weights w together, ``ascend`` moves to w + e::

        e = rho * g / |g|                   or, adaptive (Kwon et al., 2021, arXiv:2102.11600),
        e = rho * T**2 * g / |T * g|        with T = |w| + 0.01, and 1 for biases

    Groups and state are those of the optimizer below, so that its checkpoint would fit.

    Args:
        base: makes the step.
        rho: the radius.
        adaptive: as above.
        biases: whose T is 1.
    """

    def __init__(
        self, base: torch.optim.Optimizer, rho: float, adaptive: bool, biases: Iterable[nn.Parameter]
    ) -> None:
        super().__init__(base.param_groups, {})
        self._base = base
        self._rho = rho
        self._adaptive = adaptive
        self._biases = frozenset(id(parameter) for parameter in biases)
        self._left: list[tuple[nn.Parameter, Tensor]] = []  # where each weight was
        self._share()

    def _share(self) -> None:
        self.param_groups, self.state = self._base.param_groups, self._base.state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self._base.load_state_dict(state_dict)
        self._share()

    @torch.no_grad()
    def ascend(self) -> None:
        """Move to the worst neighbour, to first order; the gradients are those of where the weights are.

        Raises:
            RuntimeError: the weights are there already.
        """
        if self._left:
            raise RuntimeError("ascend() was called twice without a step() between")
        weights = [w for group in self.param_groups for w in group["params"] if w.grad is not None]
        self._left = [(weight, weight.clone()) for weight in weights]
        moves = [weight.grad for weight in weights]
        scales = [self._scale(weight) for weight in weights] if self._adaptive else []
        if scales:
            moves = list(torch._foreach_mul(moves, scales))
        norm = torch.stack(torch._foreach_norm(moves)).norm()
        if scales:
            moves = list(torch._foreach_mul(moves, scales))
        # at a gradient of zero there is no worse neighbour: nothing moves
        torch._foreach_add_(weights, torch._foreach_mul(moves, self._rho / norm.clamp(min=1e-12)))

    def _scale(self, weight: nn.Parameter) -> Tensor:
        return torch.ones_like(weight) if id(weight) in self._biases else weight.abs() + _ETA

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002 (torch's signature)
        """Move back, to the bit, and step by the gradients of the worst neighbour.

        Raises:
            RuntimeError: ``ascend`` was not called before.
        """
        if not self._left:
            raise RuntimeError("SAM needs two passes an update: call ascend() after the first")
        self.retreat()
        self._base.step()

    @torch.no_grad()
    def retreat(self) -> None:
        """Move back without a step: where an update is given up between :meth:`ascend` and :meth:`step`."""
        for weight, value in self._left:
            weight.copy_(value)
        self._left = []
