"""Hold out a part of the training set, or train on a part of it, by seed and class."""

import numpy as np
from numpy.typing import NDArray

from imgcls.data.draws import words


def stratified(
    labels: NDArray[np.int64],
    share: float,
    seed: int,
    numbers: NDArray[np.int64] | None = None,
    stream: str = "split",
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the samples of training and validation: two rising int64 arrays of positions in ``labels``.

    Each class gives its share, rounded, but keeps at least one sample for training, and gives at least one
    where it has two. Which ones depends on seed and the sample's number.

    Args:
        labels: int64 (n,).
        share: that is held out.
        seed: of the run.
        numbers: int64 (n,), of the samples; None: their positions.
        stream: a name; another name holds out independent ones.
    """
    held_out = _first(labels, _keys(labels, seed, numbers, stream), share, spared=1)
    samples = np.arange(len(labels), dtype=np.int64)
    return samples[~held_out], samples[held_out]


def some_of(
    labels: NDArray[np.int64], fraction: float, seed: int, numbers: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return a part of the samples, as rising int64 positions in ``labels``.

    Each class gives its share, rounded, but at least one. Which ones depends on seed and the sample's number, so
    that a larger fraction has all samples of a smaller one.
    """
    return np.flatnonzero(_first(labels, _keys(labels, seed, numbers, "fraction"), fraction, spared=0))


def _keys(
    labels: NDArray[np.int64], seed: int, numbers: NDArray[np.int64] | None, stream: str
) -> NDArray[np.uint64]:
    samples = np.arange(len(labels), dtype=np.int64) if numbers is None else numbers
    return words(seed, stream, 0, samples, 0, 1)[:, 0]


def _first(labels: NDArray[np.int64], keys: NDArray[np.uint64], share: float, spared: int) -> NDArray[np.bool_]:
    """Return which samples are the first of their class, sorted by their keys: bool (n,); ``spared`` never are."""
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        members = members[np.argsort(keys[members], kind="stable")]
        wanted = max(round(share * len(members)), 1)
        chosen[members[: min(wanted, len(members) - spared)]] = True
    return chosen
