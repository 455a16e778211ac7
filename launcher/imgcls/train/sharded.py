"""Tensors of which each rank has a part: whole ones from them, and parts of whole ones.

What is not sharded is returned as it is, so that its users need not know which they have. Sharded tensors are
``torch.distributed.tensor.DTensor``, which is not imported where there are none: that takes a second.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def is_sharded(tensor: Tensor) -> bool:
    """Say whether each rank has a part of the tensor."""
    return hasattr(tensor, "device_mesh")


def own_part(tensor: Tensor) -> Tensor:
    """Return this rank's part, which shares its memory with the tensor; for use without gradients."""
    part: Tensor = tensor.to_local() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]
    return part


def whole(tensor: Tensor) -> Tensor:
    """Return the whole tensor, put together from all ranks' parts; called on every rank."""
    gathered: Tensor = tensor.full_tensor() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]
    return gathered


def divided(tensor: Tensor, like: Tensor) -> Tensor:
    """Return a whole tensor, which every rank has, in parts as another of its shape; nothing is sent."""
    if not is_sharded(like) or tensor.shape != like.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    placed: Any = like
    return distribute_tensor(tensor, placed.device_mesh, placed.placements, src_data_rank=None)


def all_divided(tensors: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors in parts as others of the same names; those without one stay as they are."""
    return {name: divided(tensor, like[name]) if name in like else tensor for name, tensor in tensors.items()}
