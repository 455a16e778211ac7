"""Mixing the images of a batch, and their labels alike: the same on every number of workers."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from imgcls.data.augmentation import Mix
from imgcls.data.draws import Draws
from imgcls.data.loader import Batch
from imgcls.errors import UserError

PAIR = 2  # neighbours in the shuffled order are each other's partners; they must be on one rank


class Mixing:
    """Draws for each global batch whether and how it is mixed.

    Args:
        mixes: (stream name, mix), of which one at most is drawn for a batch.
        seed: of the run.
        classes: number of them.

    Raises:
        UserError: the probabilities add up to more than 1.
    """

    def __init__(self, mixes: Sequence[tuple[str, Mix]], seed: int, classes: int) -> None:
        self.mixes = mixes
        self.seed = seed
        self.classes = classes
        self._sums = np.cumsum([mix.probability for _, mix in mixes])
        if len(mixes) and self._sums[-1] > 1 + 1e-9:
            names = ", ".join(name.partition("/")[0] for name, _ in mixes)
            raise UserError(
                f"augment {names}: their probabilities add up to {self._sums[-1]:g}; one of them at most is "
                "drawn for a batch, so they must add up to 1 or less"
            )

    @property
    def group(self) -> int:
        """Samples that must stay together on one rank."""
        return PAIR if self.mixes else 1

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return images, and targets: int64 labels (n,), or where mixed float32 shares of classes (n, classes)."""
        place = batch.place
        step = np.array([place.step])
        if not self.mixes:
            return batch.images, batch.labels
        drawn = Draws(self.seed, place.epoch, step, "mix").uniform()[0, 0]
        number = int(np.searchsorted(self._sums, drawn, side="right"))
        if number == len(self.mixes):
            return batch.images, batch.labels
        stream, mix = self.mixes[number]
        partners = torch.from_numpy(partner_of(batch.kept)).to(batch.images.device, non_blocking=True)
        draws = Draws(self.seed, place.epoch, step, stream)
        images, share = mix.mix(batch.images, batch.images[partners], draws)
        own = one_hot(batch.labels, self.classes).float()
        return images, share * own + (1 - share) * own[partners]


def partner_of(positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each of some positions where the partner is among them: int64 (n,).

    Partners are positions 0 and 1, 2 and 3, and so on; whoever has none is its own.
    """
    wanted = positions ^ 1
    found = np.minimum(np.searchsorted(positions, wanted), len(positions) - 1)
    return np.where(positions[found] == wanted, found, np.arange(len(positions)))
