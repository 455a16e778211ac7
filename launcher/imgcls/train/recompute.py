"""Activation checkpointing: a block keeps nothing but its input, and is computed once more in the backward pass.

Chen, Xu, Zhang, Guestrin, 2016, Training deep nets with sublinear memory cost, arXiv:1604.06174.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from imgcls.errors import UserError
from imgcls.train.blocks_of import blocks_of


def recompute(model: nn.Module) -> None:
    """Let each repeated block of a model be computed again in the backward pass, in place.

    Gradients, running statistics and what dropout leaves out are bit for bit those without it; the names of
    parameters stay.

    Raises:
        UserError: the model has no blocks, so that nothing would be gained.
    """
    blocks = blocks_of(model)
    if not blocks:
        raise UserError(
            f"train.activation_checkpointing = true: nothing repeats in {type(model).__name__} that could be "
            "computed again block by block; leave it out, or lower train.batch_size or raise train.accumulate"
        )
    for block in blocks:
        block.__class__ = _recomputed(type(block))  # type: ignore[arg-type]


class Recomputed(nn.Module):
    """What is put before the class of a block. As a class, not a wrapper, it changes no name and can be copied."""

    def forward(self, *arguments: Any, **named: Any) -> Any:
        """The block's own, of which only the input is kept for the backward pass."""
        if not torch.is_grad_enabled():
            return super().forward(*arguments, **named)
        contexts = partial(_contexts, self)
        own = super().forward
        return checkpoint(own, *arguments, use_reentrant=False, context_fn=contexts, **named)


@cache
def _recomputed(cls: type[nn.Module]) -> type[nn.Module]:
    return type(f"Recomputed{cls.__name__}", (Recomputed, cls), {})


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _statistics_at_rest(block)


@contextmanager
def _statistics_at_rest(block: nn.Module) -> Iterator[None]:
    """Let a forward pass leave running statistics as they are: the first one has moved them."""
    norms = [m for m in block.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
    kept = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        # without statistics at all it would save fewer tensors than the first pass, which torch objects to
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, count in kept:
            norm.momentum, norm.num_batches_tracked = momentum, count
