"""Random resized crop: Szegedy et al., 2014, Going deeper with convolutions, arXiv:1409.4842, section 6."""

import numpy as np
from numpy.typing import NDArray

from imgcls import Crop, Draws, UserError
from imgcls_augment.options import RandomResizedCrop

_ATTEMPTS = 10  # torchvision's number


class Region(Crop):
    """torchvision's algorithm over a whole batch: up to ten tries at area and shape, else the centre."""

    def __init__(self, scale: tuple[float, float], ratio: tuple[float, float]) -> None:
        self.scale = scale
        self.ratio = ratio

    def boxes(self, draws: Draws, sizes: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return starts and shapes, int32 (n, 2), as y and x."""
        height, width = (sizes[:, i : i + 1].astype(np.float64) for i in (0, 1))
        area = height * width * _between(draws.uniform(_ATTEMPTS), *self.scale)
        ratio = np.exp(_between(draws.uniform(_ATTEMPTS), *np.log(self.ratio)))
        heights, widths = np.rint(np.sqrt(area / ratio)), np.rint(np.sqrt(area * ratio))
        fits = (heights > 0) & (heights <= height) & (widths > 0) & (widths <= width)
        first = fits.argmax(axis=1)
        rows = np.arange(len(sizes))
        shape = np.stack([heights[rows, first], widths[rows, first]], axis=-1)
        start = np.floor(draws.uniform(2) * (sizes - shape + 1))
        none = ~fits.any(axis=1)
        if none.any():
            shape[none] = self._largest(sizes[none])
            start[none] = np.floor((sizes[none] - shape[none]) / 2)
        return start.astype(np.int32), shape.astype(np.int32)

    def _largest(self, sizes: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the largest centred regions whose shape is within the limits."""
        height, width = sizes[:, 0].astype(np.float64), sizes[:, 1].astype(np.float64)
        narrow, wide = width / height < self.ratio[0], width / height > self.ratio[1]
        heights = np.where(narrow, np.maximum(np.rint(width / self.ratio[0]), 1), height)
        widths = np.where(wide, np.maximum(np.rint(height * self.ratio[1]), 1), width)
        return np.stack([np.minimum(heights, height), np.minimum(widths, width)], axis=-1)


def _between(uniform: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    return low + uniform * (high - low)


def build(options: RandomResizedCrop) -> Region:
    """A random resized crop.

    Raises:
        UserError: a range whose end is below its start.
    """
    for name, (low, high) in (("scale", options.scale), ("ratio", options.ratio)):
        if low > high:
            raise UserError(f"augment random_resized_crop: {name} = [{low}, {high}] must rise")
    return Region(options.scale, options.ratio)
