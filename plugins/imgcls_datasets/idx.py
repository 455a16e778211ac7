"""MNIST's four idx files, and the format: http://yann.lecun.com/exdb/mnist, one magic number, sizes, bytes."""

import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgcls import Source, UserError

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_UBYTE = 0x08


def complete(folder: Path) -> bool:
    """Return whether all four files are in a folder, gzipped or not."""
    return all(file(folder, name).is_file() for name in FILES)


def file(folder: Path, name: str) -> Path:
    """Return where one of the four files is, or would be."""
    dotted = name.replace("-idx", ".idx")  # as some programs unpack it
    names = (name, f"{name}.gz", dotted, f"{dotted}.gz")
    return next((folder / each for each in names if (folder / each).is_file()), folder / f"{name}.gz")


def source(folder: Path, split: str, classes: Sequence[str]) -> Source:
    """Return the images and labels of a split.

    Raises:
        UserError: a file is damaged, or the two do not go together.
    """
    prefix = "train" if split == "train" else "t10k"
    images = read(file(folder, f"{prefix}-images-idx3-ubyte"))
    labels = read(file(folder, f"{prefix}-labels-idx1-ubyte"))
    if images.ndim != 3 or labels.shape != images.shape[:1] or labels.max(initial=0) >= len(classes):
        raise UserError(f"{folder}: {prefix}-images and {prefix}-labels do not go together; remove both")
    return Source.from_pixels(images[..., None], labels.astype(np.int64), classes)


def read(path: Path) -> NDArray[np.uint8]:
    """Return the array of unsigned bytes in an idx file, gzipped or not.

    Raises:
        UserError: the file is damaged or of another format.
    """
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read: {error}; remove it and get it again") from None
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _UBYTE:
        raise UserError(f"{path}: is not an idx file of bytes")
    dimensions = data[3]
    if not 1 <= dimensions <= 3:
        raise UserError(f"{path}: is an idx file of {dimensions} dimensions, neither labels nor images")
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise UserError(f"{path}: is damaged: it ends before its sizes do; remove it and get it again")
    shape = [int(size) for size in np.frombuffer(data, ">u4", dimensions, 4)]
    if len(data) - start != math.prod(shape):
        found, expected = len(data) - start, math.prod(shape)
        raise UserError(f"{path}: is damaged: {found} bytes, expected {expected}; remove it and get it again")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
