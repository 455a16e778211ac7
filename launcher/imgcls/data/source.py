"""Images and labels before any decoding: what a dataset plugin returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgcls.errors import UserError


@dataclass(frozen=True, eq=False)
class Source:
    """The samples of one split: image files below a folder, parts of larger files there, or pixels in memory.

    Use the class methods.

    Attributes:
        classes: names by label.
        labels: int64 (n,), each in 0..len(classes)-1.
        root: the folder that ``paths`` are relative to.
        paths: of encoded images; of the files that ``ranges`` are in, if there are any; empty for pixels.
        ranges: int64 (n, 3), a sample's place: number of its file in ``paths``, first byte, bytes; None where
            each file is a sample.
        pixels: uint8 (n, height, width, channels), 1 or 3 channels; None for files.
        weights: float64 (n,), how often a sample comes beside others where the recipe asks for weighted
            sampling; None for equal weights.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    root: Path = Path()
    paths: tuple[str, ...] = ()
    pixels: NDArray[np.uint8] | None = None
    ranges: NDArray[np.int64] | None = None
    weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        count = next(len(each) for each in (self.pixels, self.ranges, self.paths) if each is not None)
        if len(self.labels) != count:
            raise ValueError(f"{count} images, but {len(self.labels)} labels")
        if self.weights is not None:
            if self.weights.shape != (count,):
                raise ValueError(f"{count} images, but weights of shape {self.weights.shape}")
            if count and not (np.isfinite(self.weights).all() and self.weights.min() >= 0 < self.weights.sum()):
                raise ValueError("weights must be finite, none below 0, and not all 0")
        if count and not (self.labels.min() >= 0 and self.labels.max() < len(self.classes)):
            raise ValueError(f"labels must be in 0..{len(self.classes) - 1}")

    @classmethod
    def from_files(
        cls,
        root: Path,
        paths: Sequence[str],
        labels: Sequence[int] | NDArray[np.int64],
        classes: Sequence[str],
        weights: NDArray[np.float64] | None = None,
    ) -> "Source":
        """Encoded image files: paths relative to ``root``, with a label each.

        Raises:
            UserError: a class name that cannot be printed or written down.
        """
        _printable(root, classes)
        labels = np.asarray(labels, np.int64)
        return cls(tuple(classes), labels, root=root, paths=tuple(paths), weights=weights)

    @classmethod
    def from_ranges(
        cls,
        root: Path,
        files: Sequence[str],
        ranges: NDArray[np.int64],
        labels: Sequence[int] | NDArray[np.int64],
        classes: Sequence[str],
    ) -> "Source":
        """Encoded images that are parts of larger files, such as the members of a tar archive.

        Args:
            root: the folder that ``files`` are relative to.
            files: the larger files.
            ranges: int64 (n, 3), for each image: the number of its file, its first byte there, how many bytes.
            labels: int64 (n,).
            classes: names by label.

        Raises:
            UserError: a class name that cannot be printed or written down.
        """
        _printable(root, classes)
        labels = np.asarray(labels, np.int64)
        return cls(tuple(classes), labels, root=root, paths=tuple(files), ranges=ranges.astype(np.int64))

    @classmethod
    def from_pixels(
        cls, pixels: NDArray[np.uint8], labels: Sequence[int] | NDArray[np.int64], classes: Sequence[str]
    ) -> "Source":
        """Decoded images of one size in memory: uint8 (n, height, width, 1 or 3)."""
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] not in (1, 3):
            raise ValueError(f"pixels must be uint8 (n, height, width, 1 or 3), got {pixels.dtype} {pixels.shape}")
        return cls(tuple(classes), np.asarray(labels, np.int64), pixels=np.ascontiguousarray(pixels))


def _printable(root: Path, classes: Sequence[str]) -> None:
    unreadable = [name for name in classes if not name.isprintable()]
    if unreadable:
        raise UserError(f"{root}: the class name {unreadable[0]!a} is no printable UTF-8 text; rename it")
