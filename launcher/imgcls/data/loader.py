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

Lost = Callable[[str, str], None]  # takes the path of an image that is left out, and why


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
) -> Iterator[Batch]:
    """Yield a rank's batches from global step ``start`` to the end of the run, through all epochs.

    Args:
        transform: what is done to an image.
        order: of the run.
        start: the first step.
        rank, world: this process among how many.
        machine: what the pipeline runs on.
        lost: takes the images that cannot be decoded, which are then left out; None: they end the run.

    Raises:
        UserError: an image that cannot be decoded; it is named.
    """
    steps = iter(range(start, order.total_steps))
    ahead: deque[Place] = deque()  # fed to DALI, which runs some batches ahead, and not yet out again

    def following() -> list[pipeline.Fed]:
        ahead.append(order.at(next(steps), rank, world))
        return transform.feed(ahead[-1].epoch, ahead[-1].samples, ahead[-1].copies)

    pipe = pipeline.build(transform, following, order.largest_part(world), machine)
    for _ in range(start, order.total_steps):
        try:
            images = _run(pipe)
            place = ahead.popleft()
            kept = np.arange(len(place.samples))
        except RuntimeError as error:
            place = ahead.popleft()
            kept = _good(transform, place.samples, error, lost)
            copies = None if place.copies is None else place.copies[kept]
            images = _alone(transform, transform.feed(place.epoch, place.samples[kept], copies), machine)
        yield Batch(images, _labels(transform.index, place.samples[kept], images.device), place, kept)


def evaluation_batches(
    transform: pipeline.Evaluation,
    batch_size: int,
    rank: int,
    world: int,
    machine: pipeline.Machine,
    lost: Lost | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images and labels of every world-th batch of the set, the last one short.

    Whole batches are dealt out, so a forward pass has the same samples on every number of workers.

    Raises:
        UserError: an image that cannot be decoded; it is named.
    """
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
            samples = due[_good(transform, due, error, lost)]
            images = _alone(transform, transform.feed(0, samples), machine)
        yield images, _labels(transform.index, samples, images.device)


def _run(pipe: Any) -> Tensor:
    (images,) = pipe.run()
    return torch.utils.dlpack.from_dlpack(images.as_tensor())


def _alone(
    transform: pipeline.Training | pipeline.Evaluation, fed: list[pipeline.Fed], machine: pipeline.Machine
) -> Tensor:
    """Return one batch by a pipeline of its own; the one that met an error goes on with the batch after."""
    return _run(pipeline.build(transform, lambda: fed, len(fed[0]), machine))


def _labels(index: Index, samples: NDArray[np.int64], device: torch.device) -> Tensor:
    return torch.from_numpy(index.labels[samples]).to(device, non_blocking=True)


def _good(
    transform: pipeline.Training | pipeline.Evaluation,
    samples: NDArray[np.int64],
    error: Exception,
    lost: Lost | None,
) -> NDArray[np.int64]:
    """Return which samples of a batch that met an error can be decoded, having told of the others.

    Raises:
        UserError: they are not to be left out, or none is left.
        RuntimeError: the error, where all can be decoded.
    """
    index = transform.index
    if index.paths is None:
        raise error
    channels = transform.form.channels
    faults = [pipeline.can_decode(index, int(sample), channels) for sample in samples]
    named = {index.path(int(s)): fault for s, fault in zip(samples, faults, strict=True) if fault is not None}
    if not named:
        raise error
    listed = [f"{path}: {fault}" for path, fault in named.items()]
    if lost is None:
        advice = 'mend or remove it, or set data.on_bad_image = "skip", and give the same command again.'
        raise UserError("\n".join([*listed, advice])) from error
    kept = np.flatnonzero([fault is None for fault in faults])
    if not len(kept):
        advice = "no image of a batch can be decoded; see `imgcls data check`."
        raise UserError("\n".join([*listed, advice])) from error
    for path, fault in named.items():
        lost(path, fault)
    return kept
