"""Hold out a part of the training set, by seed and class."""

import numpy as np
from numpy.typing import NDArray

from imgcls.data.draws import words


def stratified(labels: NDArray[np.int64], share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the samples of training and validation: two rising int64 arrays.

    Each class gives its share, rounded, but keeps at least one sample for training, and gives at least one
    where it has two. Which ones depends on seed and the sample's number.
    """
    samples = np.arange(len(labels), dtype=np.int64)
    keys = words(seed, "split", 0, samples, 0, 1)[:, 0]
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = samples[labels == label]
        members = members[np.argsort(keys[members], kind="stable")]
        wanted = max(round(share * len(members)), 1)
        held_out[members[: min(wanted, len(members) - 1)]] = True
    return samples[~held_out], samples[held_out]
