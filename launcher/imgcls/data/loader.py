"""A rank's batches as torch tensors, from any step on: seeking rebuilds the pipeline and replays nothing."""

import gc
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.utils.dlpack
from numpy.typing import NDArray
from torch import Tensor

from imgcls.data import pipeline
from imgcls.data.again import Again, Lost, Warn
from imgcls.data.growing import Growth
from imgcls.data.index import Index
from imgcls.data.order import Order, Place


@dataclass(frozen=True)
class Batch:
    """One rank's part of a global batch.

    Attributes:
        images: float32 (n, channels, size, size), on the worker's device.
        labels: int64 (n,), on the worker's device.
        place: which samples were due, and of what size the global batch is.
        kept: int64 (n,), which of the samples that were due these are; all of them but where images are left out.
    """

    images: Tensor
    labels: Tensor
    place: Place
    kept: NDArray[np.int64]


def training_batches(
    transform: pipeline.Training,
    order: Order,
    start: int,
    rank: int,
    world: int,
    machine: pipeline.Machine,
    lost: Lost | None = None,
    growth: Growth | None = None,
    warn: Warn | None = None,
) -> Iterator[Batch]:
    """Yield a rank's batches from global step ``start`` to the end of the run, through all epochs.

    Args:
        transform: what is done to an image.
        order: of the run.
        start: the first step.
        rank, world: this process among how many.
        machine: what the pipeline runs on.
        lost: takes the images that cannot be decoded, which are then left out; None: they end the run.
        growth: the images' size in each epoch; None: it is the transform's.
        warn: takes a message about storage that failed for a while.

    Raises:
        UserError: an image that cannot be decoded; it is named.
        StorageError: images cannot be read for long.
    """
    if growth is None:
        yield from _batches(transform, order, range(start, order.total_steps), rank, world, machine, lost, warn)
        return
    for size, steps in _stretches(growth, order, start):
        # what is made ahead ends with the stretch, so no batch is of the wrong size
        yield from _batches(transform.at(size), order, steps, rank, world, machine, lost, warn)
        gc.collect()  # a DALI pipeline refers to itself, and would keep its batches and threads for long


def _stretches(growth: Growth, order: Order, start: int) -> Iterator[tuple[int, range]]:
    """Yield sizes in pixels, each with the steps that have it, from a step to the end of the run."""
    while start < order.total_steps:
        size, end = growth.size(order.epoch_of(start)), start
        while end < order.total_steps and growth.size(order.epoch_of(end)) == size:
            end = order.next_epoch(end)
        yield size, range(start, end)
        start = end


def _batches(
    transform: pipeline.Training,
    order: Order,
    due: range,
    rank: int,
    world: int,
    machine: pipeline.Machine,
    lost: Lost | None,
    warn: Warn | None,
) -> Iterator[Batch]:
    """Yield a rank's batches of some steps, by one pipeline."""
    again = _again(transform, lost, warn)
    steps = iter(due)
    ahead: deque[Place] = deque()  # fed to DALI, which runs some batches ahead, and not yet out again

    def following() -> list[pipeline.Fed]:
        ahead.append(order.at(next(steps), rank, world))
        return transform.feed(ahead[-1].epoch, ahead[-1].samples, ahead[-1].copies)

    pipe = pipeline.build(transform, following, order.largest_part(world), machine)
    for _ in due:
        try:
            images = _run(pipe)
            place = ahead.popleft()
            kept = np.arange(len(place.samples))
        except RuntimeError as error:
            place = ahead.popleft()
            images, kept = again.make(place.samples, error, partial(_part, transform, place, machine))
        yield Batch(images, _labels(transform.index, place.samples[kept], images.device), place, kept)


def evaluation_batches(
    transform: pipeline.Evaluation,
    batch_size: int,
    rank: int,
    world: int,
    machine: pipeline.Machine,
    lost: Lost | None = None,
    warn: Warn | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images and labels of every world-th batch of the set, the last one short.

    Whole batches are dealt out, so a forward pass has the same samples on every number of workers.

    Raises:
        UserError: an image that cannot be decoded; it is named.
    """
    again = _again(transform, lost, warn)
    n = len(transform.index)
    batches = [np.arange(first, min(first + batch_size, n)) for first in range(0, n, batch_size)][rank::world]
    if not batches:
        return
    remaining = iter(batches)
    pipe = pipeline.build(transform, lambda: transform.feed(0, next(remaining)), batch_size, machine)
    for due in batches:
        samples = due
        try:
            images = _run(pipe)
        except RuntimeError as error:
            images, kept = again.make(due, error, partial(_rest, transform, due, machine))
            samples = due[kept]
        yield images, _labels(transform.index, samples, images.device)


def _run(pipe: Any) -> Tensor:
    (images,) = pipe.run()
    return torch.utils.dlpack.from_dlpack(images.as_tensor())


def _part(
    transform: pipeline.Training, place: Place, machine: pipeline.Machine, kept: NDArray[np.int64]
) -> Tensor:
    copies = None if place.copies is None else place.copies[kept]
    return _alone(transform, transform.feed(place.epoch, place.samples[kept], copies), machine)


def _rest(
    transform: pipeline.Evaluation, due: NDArray[np.int64], machine: pipeline.Machine, kept: NDArray[np.int64]
) -> Tensor:
    return _alone(transform, transform.feed(0, due[kept]), machine)


def _again(transform: pipeline.Training | pipeline.Evaluation, lost: Lost | None, warn: Warn | None) -> Again:
    index, channels = transform.index, transform.form.channels
    return Again(index, lambda data, sample: pipeline.fault_of(data, index.sizes[sample], channels), lost, warn)


def _alone(
    transform: pipeline.Training | pipeline.Evaluation, fed: list[pipeline.Fed], machine: pipeline.Machine
) -> Tensor:
    """Return one batch by a pipeline of its own; the one that met an error goes on with the batch after."""
    return _run(pipeline.build(transform, lambda: fed, len(fed[0]), machine))


def _labels(index: Index, samples: NDArray[np.int64], device: torch.device) -> Tensor:
    return torch.from_numpy(index.labels[samples]).to(device, non_blocking=True)
