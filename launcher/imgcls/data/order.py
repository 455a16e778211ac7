"""Which samples make up which batch: a pure function of seed, epoch and step, for every number of workers."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from imgcls.data.draws import permutation


@dataclass(frozen=True)
class Place:
    """One rank's part of one global batch."""

    step: int
    epoch: int
    samples: NDArray[np.int64]
    batch_size: int  # of the global batch


@dataclass
class Order:
    """The global batches of a run, numbered by step from 0, over all epochs.

    With ``even``, an epoch is cut into ceil(n / batch_size) batches that differ by one sample at most, so that
    every sample is seen once and no small batch is left at the end. With ``drop``, all have the same
    size and what is left over is not seen in that epoch.

    Args:
        n: samples of the training set.
        batch_size: of the global batch, at most.
        epochs: of the run.
        seed: of the run.
        last_batch: ``even`` or ``drop``.
    """

    n: int
    batch_size: int
    epochs: int
    seed: int
    last_batch: str = "even"
    _epoch: int = field(default=-1, init=False, repr=False)
    _permutation: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64), init=False, repr=False)

    @property
    def steps_per_epoch(self) -> int:
        """Updates in an epoch."""
        if self.last_batch == "drop":
            return self.n // self.batch_size
        return -(-self.n // self.batch_size)

    @property
    def total_steps(self) -> int:
        """Updates in the run."""
        return self.steps_per_epoch * self.epochs

    def bounds(self, step: int) -> tuple[int, int]:
        """Return first and last + 1 position of a global batch within its epoch."""
        within, steps = step % self.steps_per_epoch, self.steps_per_epoch
        if self.last_batch == "drop":
            return within * self.batch_size, (within + 1) * self.batch_size
        return within * self.n // steps, (within + 1) * self.n // steps

    def at(self, step: int, rank: int = 0, world: int = 1) -> Place:
        """Return a rank's part of a global batch; without rank and world, all of it."""
        epoch = step // self.steps_per_epoch
        if epoch != self._epoch:
            self._permutation, self._epoch = permutation(self.seed, epoch, self.n), epoch
        first, last = self.bounds(step)
        size = last - first
        samples = self._permutation[first + rank * size // world : first + (rank + 1) * size // world]
        return Place(step, epoch, samples, size)

    def largest_part(self, world: int) -> int:
        """Return the most samples that a rank gets in a step."""
        largest = self.batch_size if self.last_batch == "drop" else -(-self.n // self.steps_per_epoch)
        return -(-largest // world)

    def smallest_part(self, world: int) -> int:
        """Return the fewest samples that a rank gets in a step."""
        smallest = self.batch_size if self.last_batch == "drop" else self.n // self.steps_per_epoch
        return smallest // world
