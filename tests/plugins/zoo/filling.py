"""Weights that are a function of their names alone: the same in every project, in every version of every library."""

import math
import zlib

import numpy as np


def uniform(name, shape):
    """Numbers in -1..1, by splitmix64 (Steele, Lea, Flood, 2014) seeded with the name."""
    count = math.prod(shape)
    with np.errstate(over="ignore"):
        x = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(zlib.crc32(name.encode()) << 20)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64).reshape(shape) / 2**52 - 1


def filled(name, shape):
    """A parameter's or buffer's float32 values: of a size that lets activations neither vanish nor explode."""
    x = uniform(name, shape)
    last = name.rpartition(".")[2]
    if len(shape) > 1:
        fan_in = max(1, math.prod(shape[1:]))
        x *= math.sqrt(3 * 1.3 / fan_in)
    elif last in ("running_var", "_variance"):
        x = 1 + 0.5 * x
    elif last in ("weight", "gamma", "scale"):
        x = 1 + 0.3 * x
    else:
        x *= 0.1
    return np.asarray(x, np.float32)


def image(channels, size):
    """A batch of two images: float32 (2, channels, size, size)."""
    return uniform("image", (2, channels, size, size)).astype(np.float32) * 1.5
