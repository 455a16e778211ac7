"""Gradients that are too large, made smaller."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from imgcls.recipe.schema import Train


def clipping(settings: Train, model: nn.Module, classes: int) -> Callable[[], None]:
    """Return what clips a model's gradients as a recipe says: by value, adaptively, by norm, in this order.

    Args:
        settings: ``clip_value``, ``clip_adaptive``, ``clip_norm``; None: not so.
        model: whose gradients.
        classes: fully connected layers with so many outputs are heads, which adaptive clipping leaves alone.
    """
    weights = [p for p in model.parameters() if p.requires_grad]
    heads = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == classes]
    spared = {id(p) for head in heads for p in head.parameters()}
    bodies = [p for p in weights if id(p) not in spared]

    def clip() -> None:
        if settings.clip_value is not None:
            nn.utils.clip_grad_value_(weights, settings.clip_value)
        if settings.clip_adaptive is not None:
            clip_adaptively(bodies, settings.clip_adaptive)
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(weights, settings.clip_norm)

    return clip


@torch.no_grad()
def clip_adaptively(parameters: Iterable[Tensor], factor: float, least: float = 1e-3) -> None:
    """Limit the norm of each unit's gradient to a share of the norm of its weights.

    Brock, De, Smith, Simonyan, 2021, arXiv:2102.06171, section 4; a unit is an output channel.

    Args:
        parameters: whose gradients are changed in place.
        factor: the share, 0.01 to 0.16 in the paper.
        least: norm that the weights of a unit count with at least, so that what starts at zero can leave it.
    """
    for parameter in parameters:
        if parameter.grad is None:
            continue
        allowed = _unit_norms(parameter).clamp(min=least) * factor
        found = _unit_norms(parameter.grad)
        parameter.grad.mul_(torch.where(found > allowed, allowed / found.clamp(min=1e-6), torch.ones_like(found)))


def _unit_norms(tensor: Tensor) -> Tensor:
    over = tuple(range(1, tensor.ndim)) if tensor.ndim > 1 else None
    norms: Tensor = torch.linalg.vector_norm(tensor, dim=over, keepdim=tensor.ndim > 1)
    return norms
