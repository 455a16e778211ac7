"""Two models that learn side by side: one module and one optimizer to whoever makes the updates."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from imgcls.plan import Plan
from imgcls.recipe.schema import Train
from imgcls.train import build
from imgcls.train.clip import clipping
from imgcls.train.outputs import OfBoth

_OTHER_SEED = 0x5851F42D4C957F2D  # any number: what the second model's weights are drawn from differs in its bits


class Peers(nn.Module):
    """Two models that see the same images.

    Args:
        first: is evaluated, averaged and served.
        second: helps the first in training alone.
    """

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, images: Tensor) -> OfBoth:
        """Return both models' outputs of images (N, C, H, W)."""
        return OfBoth(self.first(images), self.second(images))


class BothOptimizers(torch.optim.Optimizer):
    """Two optimizers, each over its own model's parameters, as one; the state is both's, numbered through.

    Args:
        first, second: of the same kind.
    """

    def __init__(self, first: torch.optim.Optimizer, second: torch.optim.Optimizer) -> None:
        super().__init__([*first.param_groups, *second.param_groups], {})
        self._both = (first, second)
        if hasattr(first, "ascend"):
            self.ascend = self._ascend  # only where there is one: see Step
        self._share()

    def _share(self) -> None:
        self.param_groups = [group for each in self._both for group in each.param_groups]

    @property
    def _of_first(self) -> int:
        return sum(len(group["params"]) for group in self._both[0].param_groups)

    def state_dict(self) -> dict[str, Any]:
        """Return both states as that of one optimizer over all parameters."""
        first, second = (each.state_dict() for each in self._both)
        by = self._of_first
        state = {**first["state"], **{number + by: entry for number, entry in second["state"].items()}}
        moved = [{**g, "params": [number + by for number in g["params"]]} for g in second["param_groups"]]
        return {"state": state, "param_groups": [*first["param_groups"], *moved]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        by, groups = self._of_first, len(self._both[0].param_groups)
        state, all_groups = state_dict["state"], state_dict["param_groups"]
        moved = [{**g, "params": [number - by for number in g["params"]]} for g in all_groups[groups:]]
        parts = (
            {"state": {n: e for n, e in state.items() if n < by}, "param_groups": all_groups[:groups]},
            {"state": {n - by: e for n, e in state.items() if n >= by}, "param_groups": moved},
        )
        for each, part in zip(self._both, parts, strict=True):
            each.load_state_dict(part)
        self._share()

    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002 (torch's signature)
        """Make both updates."""
        for each in self._both:
            each.step()

    def _ascend(self) -> None:
        for each in self._both:
            each.ascend()  # type: ignore[attr-defined]


def trained(plan: Plan, model: nn.Module, device: torch.device) -> nn.Module:
    """Return what is trained: the model, or with it a second one that is drawn from another seed.

    Args:
        plan: of the run; its ``[weights]`` are the first model's alone.
        model: of the run.
        device: of the models.
    """
    if plan.distill is None or plan.distill.method != "dml":
        return model
    other = replace(plan, model=plan.distill.model, seed=plan.seed ^ _OTHER_SEED)
    second = build.model(other, device)
    build.prepare(other, second)
    return Peers(model, second)


def second_of(of: nn.Module) -> nn.Module | None:
    """Return the second model of what is trained, None where there is one alone."""
    return of.second if isinstance(of, Peers) else None


def optimizer(plan: Plan, of: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of what is trained: of two models, one each, as one."""
    if isinstance(of, Peers):
        return BothOptimizers(build.optimizer(plan, of.first), build.optimizer(plan, of.second))
    return build.optimizer(plan, of)


def clipping_each(settings: Train, of: nn.Module, classes: int) -> Callable[[], None]:
    """Return what clips the gradients of what is trained: of two models, each by its own norm."""
    if not isinstance(of, Peers):
        return clipping(settings, of, classes)
    both = [clipping(settings, model, classes) for model in (of.first, of.second)]

    def clip() -> None:
        for each in both:
            each()

    return clip
