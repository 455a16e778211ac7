"""Which samples make up which batch: a pure function of seed, epoch and step, for every number of workers."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from imgcls.data.draws import permutation
from imgcls.data.sampling import in_copies, weighted


@dataclass(frozen=True)
class Place:
    """One rank's part of one global batch.

    Attributes:
        step: number of the global batch in the run, from 0.
        epoch: from 0.
        samples: int64 (n,), numbers in the index.
        copies: int64 (n,), the how manieth time a sample comes in this epoch, from 0; None where each comes once.
        batch_size: of the global batch.
    """

    step: int
    epoch: int
    samples: NDArray[np.int64]
    copies: NDArray[np.int64] | None
    batch_size: int


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
        weights: float64 (n,), how often a sample comes beside others; None: each comes once.
        labels: int64 (n,), needed with weights, so that classes get their shares exactly.
        repeats: times that a sample comes in its batch; an epoch then has n // repeats of the samples.
        group: samples of a batch that must stay on one rank, from its start on.
    """

    n: int
    batch_size: int
    epochs: int
    seed: int
    last_batch: str = "even"
    weights: NDArray[np.float64] | None = None
    labels: NDArray[np.int64] | None = None
    repeats: int = 1
    group: int = 1
    _epoch: int = field(default=-1, init=False, repr=False)
    _samples: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64), init=False, repr=False)
    _copies: NDArray[np.int64] | None = field(default=None, init=False, repr=False)

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

    def epoch_of(self, step: int) -> int:
        """Return the epoch that a global batch belongs to, from 0."""
        return step // self.steps_per_epoch

    def next_epoch(self, step: int) -> int:
        """Return the first step of the epoch after that of a step."""
        return (step // self.steps_per_epoch + 1) * self.steps_per_epoch

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
            self._samples, self._copies = self._sequence(epoch)
            self._epoch = epoch
        first, last = self.bounds(step)
        size = last - first
        part = slice(first + self._cut(size, rank, world), first + self._cut(size, rank + 1, world))
        copies = None if self._copies is None else self._copies[part]
        return Place(step, epoch, self._samples[part], copies, size)

    def _sequence(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        if self.weights is not None and self.labels is not None:
            samples, copies = weighted(self.seed, epoch, self.weights, self.labels)
        else:
            samples, copies = permutation(self.seed, epoch, self.n), None
        if self.repeats > 1:
            sizes = [last - first for first, last in map(self.bounds, range(self.steps_per_epoch))]
            return in_copies(samples, copies, self.repeats, sizes)
        return samples, copies

    def _cut(self, size: int, rank: int, world: int) -> int:
        """Return where a rank's part of a batch of some size starts."""
        return self.group * (rank * (size // self.group) // world) if rank < world else size

    def largest_part(self, world: int) -> int:
        """Return the most samples that a rank gets in a step."""
        return max(self._parts(world))

    def smallest_part(self, world: int) -> int:
        """Return the fewest samples that a rank gets in a step."""
        return min(self._parts(world))

    def _parts(self, world: int) -> set[int]:
        steps = self.steps_per_epoch
        sizes = {self.batch_size} if self.last_batch == "drop" else {self.n // steps, -(-self.n // steps)}
        return {self._cut(s, rank + 1, world) - self._cut(s, rank, world) for s in sizes for rank in range(world)}
