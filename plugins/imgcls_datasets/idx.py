"""The idx format of MNIST's files: http://yann.lecun.com/exdb/mnist, one magic number, sizes, bytes."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgcls import UserError

_UBYTE = 0x08


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
        raise UserError(f"{path}: cannot be read: {error}; remove it to have it downloaded again") from None
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _UBYTE:
        raise UserError(f"{path}: is not an idx file of bytes")
    dimensions = data[3]
    if not 1 <= dimensions <= 3:
        raise UserError(f"{path}: is an idx file of {dimensions} dimensions, neither labels nor images")
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise UserError(f"{path}: is damaged: it ends before its sizes do; remove it to have it downloaded again")
    shape = [int(size) for size in np.frombuffer(data, ">u4", dimensions, 4)]
    if len(data) - start != math.prod(shape):
        found, expected = len(data) - start, math.prod(shape)
        raise UserError(f"{path}: is damaged: {found} bytes of data, expected {expected}; remove it")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
