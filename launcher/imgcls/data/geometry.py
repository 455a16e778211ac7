"""Sizes and positions of the evaluation's resize and crop, as torchvision and Pillow compute them.

DALI rounds both differently (up to 118 grey levels apart), so they are computed here and passed in.
"""

import numpy as np
from numpy.typing import NDArray


def shorter_side(sizes: NDArray[np.int32], target: int) -> NDArray[np.int64]:
    """Return (height, width) after the shorter side has been resized to ``target``.

    Args:
        sizes: int (n, 2), height and width.
        target: pixels.

    Returns:
        int64 (n, 2); the longer side is cut off, not rounded, as ``torchvision.transforms.Resize`` does.
    """
    height, width = sizes[:, 0].astype(np.float64), sizes[:, 1].astype(np.float64)
    tall = np.stack([np.floor(target * height / width), np.full(len(sizes), target)], axis=-1)
    wide = np.stack([np.full(len(sizes), target), np.floor(target * width / height)], axis=-1)
    return np.where((height <= width)[:, None], wide, tall).astype(np.int64)


def centre(sizes: NDArray[np.int64], crop: int) -> NDArray[np.int64]:
    """Return where a centre crop starts: int64 (n, 2), y and x in pixels.

    ``round((size - crop) / 2)``, half to even, as ``torchvision.transforms.CenterCrop`` has it.
    """
    return np.rint((sizes - crop) / 2).astype(np.int64)
