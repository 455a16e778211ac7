"""A model whose gradients are averaged over ranks."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from imgcls.plan import Format
from imgcls.train.outputs import every_logits
from imgcls.train.world import World


def in_parallel(model: nn.Module, how: Literal["ddp", "fsdp"], form: Format, world: World) -> nn.Module:
    """Return the model with rank 0's weights everywhere, averaging gradients; itself on a single rank.

    Args:
        model: of this rank; its parameters may be others afterwards, so that the optimizer is made then.
        how: each rank has the whole model, or a part of each weight.
        form: of its images.
        world: the processes.

    Raises:
        UserError: the model cannot be cut into parts.
    """
    if world.size == 1:
        return model
    if how == "fsdp":
        from imgcls.train.fsdp import shard

        world.share([tensor.detach() for tensor in model.state_dict().values()])
        return shard(model, world)
    # buffers: rank 0's are the run's, and are handed out before an evaluation rather than at each step
    parallel = DistributedDataParallel(model, broadcast_buffers=False, gradient_as_bucket_view=True)
    if world.size > 2:
        _settle_buckets(parallel, model, form, world)
        model.zero_grad(set_to_none=True)
    return parallel


def alone(parallel: nn.Module) -> AbstractContextManager[Any]:
    """Return a context in which backward passes add up gradients, and ranks do not exchange them."""
    if hasattr(parallel, "set_requires_gradient_sync"):
        from imgcls.train.fsdp import without_exchange

        return without_exchange(parallel)  # type: ignore[arg-type]
    context: AbstractContextManager[Any] = getattr(parallel, "no_sync", nullcontext)()
    return context


def _settle_buckets(parallel: nn.Module, model: nn.Module, form: Format, world: World) -> None:
    """Let DDP rebuild its buckets before the first real step.

    It orders them by the first backward pass. A sum of three or more gradients depends on their place in a
    bucket, so a continued run would differ in its first step from one that was never interrupted.
    """
    # forward passes move the statistics of batch norm
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    images = torch.zeros(2, form.channels, form.size, form.size, device=world.device)
    for _ in range(2):
        logits, *others = every_logits(parallel(images))
        sum((more.sum() for more in others), logits.sum()).backward()  # type: ignore[no-untyped-call]
    for name, buffer in model.named_buffers():
        buffer.copy_(buffers[name])
