"""Resize on the CPU by torch, or by Pillow where torch has not the filter, inside a DALI pipeline.

torch's kernel for 8-bit images follows Pillow's integer arithmetic and is vectorised, as DALI's CPU resize is not:
with it the loader is faster than one of DALI's operators alone (tests/benchmarks/loader.py). It differs from
Pillow in one pixel of several hundred, DALI's in one of ten. On a GPU the pipeline uses DALI's.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits
from torch.nn.functional import interpolate

Image8 = NDArray[Any]  # uint8, but for the sizes and starts that go with images
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
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._thread = threading.local()

    def to(self, size: int) -> "_ToSquare":
        """Return the function that DALI calls with a batch, for images of ``size`` x ``size`` pixels."""
        return _ToSquare(self, size)

    def cropped(self, crop: int) -> "_Cropped":
        """Return the function that DALI calls with a batch, sizes and window starts."""
        return _Cropped(self, crop)

    def each(self, work: Callable[..., Image8], *arguments: Sequence[Image8]) -> list[Image8]:
        """Return what some work makes of each image, shared out to the threads in as many parts."""
        if self._pool is None:
            return list(map(work, *arguments))
        parts = [[each[start :: self.threads] for each in arguments] for start in range(self.threads)]
        made: list[Any] = [None] * len(arguments[0])
        for start, part in enumerate(self._pool.map(lambda part: list(map(work, *part)), parts)):
            made[start :: self.threads] = part
        return made

    def one(self, image: Image8, height: int, width: int, pillows_order: bool) -> Image8:
        """Return an image, uint8 (height, width, channels), resized."""
        resized: Image8 = self.many(image[None], height, width, pillows_order)[0]
        return resized

    def many(self, images: Image8, height: int, width: int, pillows_order: bool) -> Image8:
        """Return images of one size, uint8 (n, height, width, channels), resized.

        Rows and columns are done one after the other, with rounding in between. torch always shortens rows first,
        Pillow 13 does columns first where they lose twice as many pixels; following it costs a second call, and
        brings the mean distance from Pillow from 0.2 grey levels to 0.002 in such images.
        """
        rows, columns = images.shape[1:3]
        if (rows, columns) == (height, width):
            return images
        if self.mode not in _BY_TORCH:
            return np.stack([self._by_pillow(image, height, width) for image in images])
        if not hasattr(self._thread, "alone"):
            self._thread.alone = _alone()
        made = torch.from_numpy(images).permute(0, 3, 1, 2)
        if pillows_order and height < rows and rows - height > 2 * (columns - width):
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

    def __call__(self, images: Sequence[Image8]) -> list[Image8]:
        height, width = images[0].shape[:2]
        if height * width <= _TOGETHER and len({image.shape for image in images}) == 1:
            return list(self.resize.many(np.stack(images), self.size, self.size, pillows_order=False))
        return self.resize.each(lambda image: self.resize.one(image, self.size, self.size, False), images)


class _Cropped:
    def __init__(self, resize: Resize, crop: int) -> None:
        self.resize = resize
        self.crop = crop

    def __call__(
        self,
        images: Sequence[Image8],
        sizes: Sequence[NDArray[np.int32]],
        starts: Sequence[NDArray[np.int32]],
    ) -> list[Image8]:
        alike = len({image.shape for image in images}) == 1  # then their sizes and starts are, too
        if alike and images[0].shape[0] * images[0].shape[1] <= _TOGETHER:
            height, width = sizes[0].tolist()
            resized = self.resize.many(np.stack(images), height, width, pillows_order=True)
            y, x = starts[0]
            return list(resized[:, y : y + self.crop, x : x + self.crop])
        return self.resize.each(self._one, images, sizes, starts)

    def _one(
        self, image: NDArray[np.uint8], size: NDArray[np.int32], start: NDArray[np.int32]
    ) -> NDArray[np.uint8]:
        y, x = start
        resized = self.resize.one(image, int(size[0]), int(size[1]), pillows_order=True)
        return resized[y : y + self.crop, x : x + self.crop]


def _alone() -> bool:
    """Keep OpenMP from sharing out this thread's work: an image is too little, and threads that wait for it spin.

    The limit is OpenMP's own for the calling thread, so that training's threads keep theirs;
    ``torch.set_num_threads`` would set MKL's, too, for all of the process.
    """
    torch.get_num_threads()  # torch sets a thread's limit at its first use
    threadpool_limits(1, "openmp")
    return True
