"""FSDP2: each rank keeps a part of every weight, gradient and moment, and gathers a block's weights to compute it.

Zhao et al., 2023, PyTorch FSDP, arXiv:2304.11277; Rajbhandari et al., 2020, ZeRO, arXiv:1910.02054, stage 3.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from imgcls.errors import UserError
from imgcls.train.blocks_of import blocks_of
from imgcls.train.world import World


def shard(model: nn.Module, world: World) -> nn.Module:
    """Cut a model's parameters into parts, a rank each, in place, and return it; averages gradients over ranks.

    Each repeated block is gathered as one, and so is what lies outside of them. Weights are gathered in float32
    and cast by autocast as without it, rather than by FSDP's own policy of mixed precision, so that what is
    computed in which precision stays the same. Buffers are not cut; rank 0's are the run's.

    Args:
        model: with the same parameters on all ranks.
        world: the processes, at least two.

    Raises:
        UserError: a parameter cannot be cut.
    """
    numbers = [name for name, parameter in model.named_parameters() if parameter.ndim == 0]
    if numbers:
        raise UserError(
            f'train.parallel = "fsdp": the model has a parameter without dimensions, {numbers[0]}, which cannot '
            'be cut into parts; set "ddp"'
        )
    mesh = init_device_mesh(world.device.type, (world.size,))
    for block in blocks_of(model):
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


@contextmanager
def without_exchange(model: FSDPModule) -> Iterator[None]:
    """Let backward passes add up gradients on each rank alone; the next one outside exchanges the sum."""
    model.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        model.set_requires_gradient_sync(True)
