"""Epochs in which samples come other than once: by weight, balanced over classes, or in copies."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imgcls.data.draws import permutation, words

Sequences = tuple[NDArray[np.int64], NDArray[np.int64]]  # samples, and the how manieth time each comes


def balanced(labels: NDArray[np.int64], power: float) -> NDArray[np.float64]:
    """Return weights that lift rare classes: count ** -power of a sample's class, float64 (n,).

    With 1 every class comes equally often, with 0.5 by the square root of its count (Mahajan et al., 2018,
    arXiv:1805.00932, section 2.3), with 0 every sample does.
    """
    counts = np.bincount(labels).astype(np.float64)
    weights: NDArray[np.float64] = counts[labels] ** -power
    return weights


def weighted(seed: int, epoch: int, weights: NDArray[np.float64], labels: NDArray[np.int64]) -> Sequences:
    """Return an epoch of n draws in which a sample comes as often as its weight says: two int64 arrays (n,).

    Systematic sampling: n points at equal distances are laid over the weights, class by class and in a random
    order within each. So a sample that is due 2.3 times comes 2 or 3 times, on average 2.3 times, and a class that
    is due 20.3 times comes 20 or 21 times; independent draws would leave out a third of all samples. Then the
    whole is shuffled.

    Args:
        seed: of the run.
        epoch: from 0.
        weights: float64 (n,), none below 0, not all 0.
        labels: int64 (n,).
    """
    n = len(weights)
    visited = permutation(seed, epoch, n, "weighted")
    # numpy sorts 16-bit numbers in one pass
    classes = labels[visited].astype(np.uint16 if labels.max() < 2**16 else np.int64)
    visited = visited[np.argsort(classes, kind="stable")]
    sums = np.cumsum(weights[visited])
    start = float(words(seed, "weighted start", epoch, np.zeros(1, np.int64), 0, 1)[0, 0]) * 2.0**-32
    points = (np.arange(n) + start) * (sums[-1] / n)
    # the last sum may be rounded below the last point; and a weight of 0 must not be hit at the very end
    last = int(np.flatnonzero(weights[visited])[-1])
    hit = np.minimum(np.searchsorted(sums, points, side="right"), last)
    begins = np.flatnonzero(np.diff(hit, prepend=-1))  # hits rise, so equal ones stand together
    copies = np.arange(n) - np.repeat(begins, np.diff(begins, append=n))
    order = permutation(seed, epoch, n)
    return visited[hit][order], copies[order]


def in_copies(
    samples: NDArray[np.int64], copies: NDArray[np.int64] | None, repeats: int, sizes: Sequence[int]
) -> Sequences:
    """Return the batches of an epoch with each sample several times, augmented apart: two int64 arrays.

    Repeated augmentation: Hoffer et al., 2019, arXiv:1901.09335; Berman et al., 2019, arXiv:1902.05509. A batch of
    B has ceil(B / repeats) of the samples, all of them once before the first comes again.

    Args:
        samples: int64 (n,), the epoch's order.
        copies: int64 (n,) or None, from what drew the samples.
        repeats: times that a sample comes in its batch.
        sizes: of the epoch's batches.
    """
    before = np.zeros_like(samples) if copies is None else copies
    each = -(-max(sizes) // repeats)
    positions, times = [], []
    for number, size in enumerate(sizes):
        slots = np.arange(size)
        distinct = -(-size // repeats)
        positions.append((number * each + slots % distinct) % len(samples))
        times.append(slots // distinct)
    chosen = np.concatenate(positions)
    return samples[chosen], before[chosen] * repeats + np.concatenate(times)
