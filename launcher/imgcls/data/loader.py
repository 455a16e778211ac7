"""A rank's batches as torch tensors, from any step on: seeking rebuilds the pipeline and replays nothing."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.utils.dlpack
from numpy.typing import NDArray
from torch import Tensor

from imgcls.data import pipeline
from imgcls.data.index import Index
from imgcls.data.order import Order, Place
from imgcls.errors import UserError


@dataclass(frozen=True)
class Batch:
    """One rank's part of a global batch.

    Attributes:
        images: float32 (n, channels, size, size), on the worker's device.
        labels: int64 (n,), on the worker's device.
        place: which samples these are, and of what size the global batch is.
    """

    images: Tensor
    labels: Tensor
    place: Place


def training_batches(
    transform: pipeline.Training, order: Order, start: int, rank: int, world: int, machine: pipeline.Machine
) -> Iterator[Batch]:
    """Yield a rank's batches from global step ``start`` to the end of the run, through all epochs.

    Raises:
        UserError: an image that cannot be decoded; it is named.
    """
    steps = iter(range(start, order.total_steps))
    ahead: deque[Place] = deque()  # fed to DALI, which runs some batches ahead, and not yet out again

    def following() -> list[pipeline.Fed]:
        ahead.append(order.at(next(steps), rank, world))
        return transform.feed(ahead[-1].epoch, ahead[-1].samples)

    pipe = pipeline.build(transform, following, order.largest_part(world), machine)
    for _ in range(start, order.total_steps):
        images = _run(pipe, transform, lambda: ahead[0].samples)
        place = ahead.popleft()
        labels = torch.from_numpy(transform.index.labels[place.samples])
        yield Batch(images, labels.to(images.device, non_blocking=True), place)


def evaluation_batches(
    transform: pipeline.Evaluation, batch_size: int, rank: int, world: int, machine: pipeline.Machine
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images and labels of every world-th batch of the set, the last one short.

    Whole batches are dealt out, so a forward pass has the same samples on every number of workers.
    """
    n = len(transform.index)
    batches = [np.arange(first, min(first + batch_size, n)) for first in range(0, n, batch_size)][rank::world]
    if not batches:
        return
    remaining = iter(batches)
    pipe = pipeline.build(transform, lambda: transform.feed(0, next(remaining)), batch_size, machine)
    for samples in batches:
        images = _run(pipe, transform, lambda samples=samples: samples)  # type: ignore[misc]
        yield images, torch.from_numpy(transform.index.labels[samples]).to(images.device, non_blocking=True)


def _run(
    pipe: Any, transform: pipeline.Training | pipeline.Evaluation, samples: Callable[[], NDArray[np.int64]]
) -> Tensor:
    """Return the next batch; ``samples`` says which it is, once it is there."""
    try:
        (images,) = pipe.run()
    except RuntimeError as error:
        raise _named(transform.index, samples(), transform.form.channels, error) from error
    return torch.utils.dlpack.from_dlpack(images.as_tensor())


def _named(index: Index, samples: NDArray[np.int64], channels: int, error: Exception) -> Exception:
    """Return the error that names the files of a batch that cannot be decoded, or the original one."""
    if index.paths is None:
        return error
    faults = [(index.path(int(s)), pipeline.can_decode(index, int(s), channels)) for s in samples]
    named = [f"{path}: {fault}" for path, fault in faults if fault is not None]
    if not named:
        return error
    return UserError("\n".join([*named, "mend or remove it, and give the same command again."]))
