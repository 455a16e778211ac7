"""A rank's batches as torch tensors, from any step on: seeking rebuilds the pipeline and replays nothing."""

from collections.abc import Iterator
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

    def following() -> list[pipeline.Fed]:
        place = order.at(next(steps), rank, world)
        return transform.feed(place.epoch, place.samples)

    places = Order(order.n, order.batch_size, order.epochs, order.seed, order.last_batch)
    pipe = pipeline.build(transform, following, order.largest_part(world), machine)
    for step in range(start, order.total_steps):
        place = places.at(step, rank, world)
        images = _run(pipe, transform.index, place.samples, transform.form.channels)
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
        images = _run(pipe, transform.index, samples, transform.form.channels)
        yield images, torch.from_numpy(transform.index.labels[samples]).to(images.device, non_blocking=True)


def _run(pipe: Any, index: Index, samples: NDArray[np.int64], channels: int) -> Tensor:
    try:
        (images,) = pipe.run()
    except RuntimeError as error:
        raise _named(index, samples, channels, error) from error
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
