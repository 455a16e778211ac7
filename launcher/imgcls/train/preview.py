"""Images as a model will be given them in training, beside the files they are made of."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from imgcls.data import reference
from imgcls.data.loader import Batch, training_batches
from imgcls.data.order import Order, Place
from imgcls.plan import Plan
from imgcls.train import build
from imgcls.train.build import Inputs
from imgcls.train.world import pick_device, set_threads

_LATIN = 0x250  # the first letter beyond


@dataclass(frozen=True)
class Sample:
    """One image of the training set, and what becomes of it.

    Attributes:
        path: where it is.
        label: its class's name.
        original: as Pillow decodes it.
        draws: uint8 (size, size, channels), one an epoch; sizes differ where images grow.
        targets: in words, what the model is told each of them is.
    """

    path: str
    label: str
    original: Image.Image
    draws: tuple[NDArray[np.uint8], ...]
    targets: tuple[str, ...]


@dataclass
class _SameSamples(Order):
    """The first samples of an epoch's order, again in each of the epochs that follow."""

    count: int = 1
    first_epoch: int = 0
    draws: int = 1

    @property
    def total_steps(self) -> int:
        return self.draws

    def largest_part(self, world: int) -> int:  # noqa: ARG002 (of one worker)
        return self.count

    def epoch_of(self, step: int) -> int:
        return self.first_epoch + step

    def next_epoch(self, step: int) -> int:
        return step + 1

    def at(self, step: int, rank: int = 0, world: int = 1) -> Place:  # noqa: ARG002 (as above)
        # numbered as the first step of its epoch, so that mixing draws what it does there
        first = super().at(self.first_epoch * self.steps_per_epoch)
        epoch = self.first_epoch + step
        copies = None if first.copies is None else first.copies[: self.count]
        number = epoch * self.steps_per_epoch
        return replace(first, step=number, epoch=epoch, samples=first.samples[: self.count], copies=copies)


def samples(plan: Plan, rows: int, first_epoch: int, draws: int) -> list[Sample]:
    """Return the first samples of an epoch, each as it comes in that epoch and those that follow.

    Read, augmented and mixed by what trains. The samples of the first epoch stay together in the others, where
    training would mix each with another partner.

    Args:
        plan: of a run; its workers are not started.
        rows: samples; as many as the first batch has, at most.
        first_epoch: from 0.
        draws: epochs.

    Raises:
        UserError: an image that cannot be decoded.
    """
    machine = build.machine(plan.loading, pick_device(0), set_threads(None, 1))
    inputs = build.inputs(plan)
    lost: Callable[[str, str], None] | None = None if plan.data.on_bad_image == "fail" else _passed_over
    order = _order(inputs, rows, first_epoch, draws)
    batches = training_batches(inputs.training, order, 0, 0, 1, machine, lost, inputs.growth)
    drawn = [(batch, *_given_to_the_model(inputs, plan, batch)) for batch in batches]
    index, first = inputs.training.index, drawn[0][0]
    numbers = first.place.samples[first.kept].tolist()
    return [
        Sample(
            path=index.path(number),
            label=_name(plan.data.classes, int(index.labels[number])),
            original=reference.original(index, number, plan.format.channels),
            draws=tuple(images[row] for _, images, _ in drawn),
            targets=tuple(targets[row] for _, _, targets in drawn),
        )
        for row, number in enumerate(numbers)
    ]


def _passed_over(_path: str, _reason: str) -> None:
    pass


def _order(inputs: Inputs, rows: int, first_epoch: int, draws: int) -> _SameSamples:
    whole = inputs.order
    first, last = whole.bounds(0)
    same = {each.name: getattr(whole, each.name) for each in fields(whole) if each.init}
    return _SameSamples(**same, count=min(rows, last - first), first_epoch=first_epoch, draws=draws)


def _given_to_the_model(inputs: Inputs, plan: Plan, batch: Batch) -> tuple[NDArray[np.uint8], list[str]]:
    """Return a batch after mixing, as pictures, and its targets in words."""
    images, targets = inputs.mixing(batch)
    levels = reference.levels(images.cpu().numpy(), plan.format)
    return np.rint(levels).clip(0, 255).astype(np.uint8), _in_words(targets, plan.data.classes)


def _in_words(targets: Tensor, classes: tuple[str, ...]) -> list[str]:
    if targets.ndim == 1:
        return [_name(classes, label) for label in targets.tolist()]
    words = []
    for row in targets.tolist():
        parts = sorted(((share, label) for label, share in enumerate(row) if share > 0), reverse=True)
        shares = [f"{share:.2f} {_name(classes, label)}" for share, label in parts]
        words.append(" + ".join(shares) if len(parts) > 1 else _name(classes, parts[0][1]))
    return words


def _name(classes: tuple[str, ...], label: int) -> str:
    """Return a class's name, with its number where Pillow's own font, which is Latin, may lack its letters."""
    name = classes[label]
    return name if all(ord(letter) < _LATIN for letter in name) else f"{label}: {name}"
