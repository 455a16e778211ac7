"""Random numbers as a pure function of (seed, epoch, sample): a counter-based generator over a whole batch.

Philox4x32-10: Salmon, Moraes, Dror, Shaw, 2011, Parallel random numbers: as easy as 1, 2, 3 (SC'11). Written
here, because numpy's own has one stream a generator object, and its distributions may change with a version.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ROUNDS = 10
_COPY = np.uint64(16)  # bits of a counter word below the number of a sample's copy
_CHUNK = 1 << 14


def philox(counter: tuple[NDArray[np.uint64], ...], key: tuple[int, int]) -> tuple[NDArray[np.uint64], ...]:
    """Return four 32-bit words for each counter.

    Args:
        counter: four arrays of 32-bit words, in uint64, of one shape or broadcast to one.
        key: two 32-bit words.

    Returns:
        four arrays of 32-bit words, in uint64.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        first, second = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0 = (second >> _HALF) ^ c1 ^ np.uint64(k0)
        c2 = (first >> _HALF) ^ c3 ^ np.uint64(k1)
        c1, c3 = second & _LOW, first & _LOW
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3


def words(
    seed: int,
    stream: str,
    epoch: int,
    samples: NDArray[np.int64],
    first: int,
    count: int,
    copies: NDArray[np.int64] | None = None,
) -> NDArray[np.uint64]:
    """Return ``count`` 32-bit words for each sample, from word ``first`` of a stream on: uint64 (n, count).

    ``copies`` tells apart the times that a sample comes in one epoch: int64 (n,), each below 2**16, from 0.
    """
    start, stop = first // 4, -(-(first + count) // 4)
    blocks = np.arange(start, stop, dtype=np.uint64)[None, :]
    if copies is not None:
        blocks = blocks + (copies.astype(np.uint64)[:, None] << _COPY)
    sample = samples.astype(np.uint64)[:, None]
    name = np.full((1, 1), zlib.crc32(stream.encode()), np.uint64)
    counter = (sample & _LOW, np.full((1, 1), epoch, np.uint64), name, blocks)
    shape = (len(samples), stop - start)
    parts = philox(tuple(np.broadcast_to(part, shape) for part in counter), (seed & 0xFFFFFFFF, seed >> 32))
    every = np.stack(parts, axis=-1).reshape(len(samples), 4 * (stop - start))
    return every[:, first - 4 * start : first - 4 * start + count]


def permutation(seed: int, epoch: int, n: int, stream: str = "order") -> NDArray[np.int64]:
    """Return the order in which an epoch visits n samples: int64 (n,); another stream gives another one.

    Samples are sorted by a random number, so the order depends on seed, epoch and n alone.
    """
    # the number and, in its lowest bits, the sample itself: one array is sorted, no argsort of another
    bits = np.uint64(max(n - 1, 1).bit_length())
    keys = np.empty(n + n % 2, np.uint64)
    for first in range(0, n, 2 * _CHUNK):  # so that the generator's working memory stays in the CPU's cache
        pairs = np.arange(first // 2, min(first // 2 + _CHUNK, len(keys) // 2), dtype=np.int64)
        low0, high0, low1, high1 = words(seed, stream, epoch, pairs, 0, 4).T
        part = keys[first : first + 2 * len(pairs)]
        part[0::2] = (high0 << _HALF) | low0
        part[1::2] = (high1 << _HALF) | low1
        part >>= bits
        part <<= bits
        part |= np.arange(first, first + len(part), dtype=np.uint64)
    keys = keys[:n]
    keys.sort()
    keys &= (np.uint64(1) << bits) - np.uint64(1)
    return keys.view(np.int64)


class Draws:
    """The random numbers of one batch for one user of them, such as one augmentation.

    What a sample gets depends on seed, epoch, stream and the sample's own number: not on the batch it is
    in. Each call continues where the one before ended.

    Args:
        seed: of the run, below 2**63.
        epoch: from 0.
        samples: int64 (n,), numbers of the samples in the index.
        stream: a name; another name gives independent numbers.
        copies: int64 (n,), tells apart the times that a sample comes in one epoch; None where it comes once.
    """

    def __init__(
        self,
        seed: int,
        epoch: int,
        samples: NDArray[np.int64],
        stream: str,
        copies: NDArray[np.int64] | None = None,
    ) -> None:
        self.seed = seed
        self.epoch = epoch
        self.samples = samples
        self.stream = stream
        self.copies = copies
        self._used = 0

    def __len__(self) -> int:
        return len(self.samples)

    def uniform(self, count: int = 1) -> NDArray[np.float64]:
        """Return float64 (n, count), evenly distributed in [0, 1)."""
        drawn = words(self.seed, self.stream, self.epoch, self.samples, self._used, count, self.copies)
        self._used += count
        return drawn.astype(np.float64) * np.float64(2.0**-32)

    def integers(self, below: int, count: int = 1) -> NDArray[np.int64]:
        """Return int64 (n, count), evenly distributed in 0..below-1; below is at most 2**20."""
        return np.floor(self.uniform(count) * below).astype(np.int64)

    def chance(self, probability: float) -> NDArray[np.bool_]:
        """Return bool (n,), true with a probability."""
        return self.uniform()[:, 0] < probability
