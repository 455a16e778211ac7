"""Resize on the CPU by torch, or by Pillow where torch has not the filter, inside a DALI pipeline.

torch's kernel for 8-bit images follows Pillow's integer arithmetic and is vectorised: it takes a sixth of the time
of DALI's own CPU resize (tests/benchmarks/loader.py), and differs from Pillow in one pixel of several hundred,
where DALI's differs in one of ten. On a GPU the pipeline uses DALI's.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import interpolate

_BY_TORCH = ("bilinear", "bicubic")  # those of recipe.schema.Interpolation that torch has with antialiasing
_BY_PILLOW = {"nearest": Image.Resampling.NEAREST, "lanczos": Image.Resampling.LANCZOS}
_TOGETHER = 64 * 64  # pixels of an image up to which a call costs more than the work


class Resize:
    """Resizes the images of a batch, each to a size of its own, and cuts a window out.

    Args:
        mode: one of recipe.schema.Interpolation, always with antialiasing.
        threads: images resized at a time.
    """

    def __init__(self, mode: str, threads: int) -> None:
        self.mode = mode
        self._map = ThreadPoolExecutor(threads).map if threads > 1 else map

    def to(self, size: int) -> "_ToSquare":
        """Return the function that DALI calls with a batch, for images of ``size`` x ``size`` pixels."""
        return _ToSquare(self, size)

    def cropped(self, crop: int) -> "_Cropped":
        """Return the function that DALI calls with a batch, sizes and window starts."""
        return _Cropped(self, crop)

    def one(self, image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
        """Return an image, uint8 (height, width, channels), resized."""
        resized: NDArray[np.uint8] = self.many(image[None], height, width)[0]
        return resized

    def many(self, images: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
        """Return images of one size, uint8 (n, height, width, channels), resized."""
        rows, columns = images.shape[1:3]
        if (rows, columns) == (height, width):
            return images
        if self.mode not in _BY_TORCH:
            return np.stack([self._by_pillow(image, height, width) for image in images])
        made = torch.from_numpy(images).permute(0, 3, 1, 2)
        # both round between the two passes; torch makes the rows shorter first, Pillow 13 does so but here
        if height < rows and rows - height > 2 * (columns - width):
            made = interpolate(made, (height, columns), mode=self.mode, antialias=True)
        made = interpolate(made, (height, width), mode=self.mode, antialias=True)
        found: NDArray[np.uint8] = made.permute(0, 2, 3, 1).contiguous().numpy()
        return found

    def _by_pillow(self, image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
        channels = image.shape[2]
        given = Image.fromarray(image[..., 0] if channels == 1 else image)
        return np.asarray(given.resize((width, height), _BY_PILLOW[self.mode])).reshape(height, width, channels)


class _ToSquare:
    def __init__(self, resize: Resize, size: int) -> None:
        self.resize = resize
        self.size = size

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        height, width = images[0].shape[:2]
        if height * width <= _TOGETHER and len({image.shape for image in images}) == 1:
            return list(self.resize.many(np.stack(images), self.size, self.size))
        return list(self.resize._map(lambda image: self.resize.one(image, self.size, self.size), images))


class _Cropped:
    def __init__(self, resize: Resize, crop: int) -> None:
        self.resize = resize
        self.crop = crop

    def __call__(
        self,
        images: Sequence[NDArray[np.uint8]],
        sizes: Sequence[NDArray[np.int32]],
        starts: Sequence[NDArray[np.int32]],
    ) -> list[NDArray[np.uint8]]:
        alike = len({image.shape for image in images}) == 1  # then their sizes and starts are, too
        if alike and images[0].shape[0] * images[0].shape[1] <= _TOGETHER:
            resized = self.resize.many(np.stack(images), *map(int, sizes[0]))
            y, x = starts[0]
            return list(resized[:, y : y + self.crop, x : x + self.crop])
        return list(self.resize._map(self._one, images, sizes, starts))

    def _one(
        self, image: NDArray[np.uint8], size: NDArray[np.int32], start: NDArray[np.int32]
    ) -> NDArray[np.uint8]:
        y, x = start
        resized = self.resize.one(image, int(size[0]), int(size[1]))
        return resized[y : y + self.crop, x : x + self.crop]
