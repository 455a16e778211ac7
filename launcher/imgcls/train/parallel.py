"""A model whose gradients are averaged over ranks."""

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from imgcls.plan import Format
from imgcls.train.world import World


def in_parallel(model: nn.Module, optimizer: torch.optim.Optimizer, form: Format, world: World) -> nn.Module:
    """Return the model with rank 0's weights everywhere, averaging gradients; itself on a single rank.

    Args:
        model: of this rank.
        optimizer: over its parameters.
        form: of its images.
        world: the processes.
    """
    if world.size == 1:
        return model
    # buffers: rank 0's are the run's, and are handed out before an evaluation rather than at each step
    parallel = DistributedDataParallel(model, broadcast_buffers=False, gradient_as_bucket_view=True)
    if world.size > 2:
        _settle_buckets(parallel, model, form, world)
        optimizer.zero_grad(set_to_none=True)
    return parallel


def _settle_buckets(parallel: nn.Module, model: nn.Module, form: Format, world: World) -> None:
    """Let DDP rebuild its buckets before the first real step.

    It orders them by the first backward pass. A sum of three or more gradients depends on their place in a
    bucket, so a continued run would differ in its first step from one that was never interrupted.
    """
    # forward passes move the statistics of batch norm
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    images = torch.zeros(2, form.channels, form.size, form.size, device=world.device)
    for _ in range(2):
        outputs = parallel(images)
        logits, others = outputs if isinstance(outputs, tuple) else (outputs, ())
        sum((more.sum() for _, more in others), logits.sum()).backward()
    for name, buffer in model.named_buffers():
        buffer.copy_(buffers[name])
