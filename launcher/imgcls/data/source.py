"""Images and labels before any decoding: what a dataset plugin returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgcls.errors import UserError


@dataclass(frozen=True, eq=False)
class Source:
    """The samples of one split: image files below a folder, or pixels in memory. Use the class methods.

    Attributes:
        classes: names by label.
        labels: int64 (n,), each in 0..len(classes)-1.
        root: the folder that ``paths`` are relative to.
        paths: of encoded images; empty for pixels.
        pixels: uint8 (n, height, width, channels), 1 or 3 channels; None for files.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    root: Path = Path()
    paths: tuple[str, ...] = ()
    pixels: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        count = len(self.paths) if self.pixels is None else len(self.pixels)
        if len(self.labels) != count:
            raise ValueError(f"{count} images, but {len(self.labels)} labels")
        if count and not (self.labels.min() >= 0 and self.labels.max() < len(self.classes)):
            raise ValueError(f"labels must be in 0..{len(self.classes) - 1}")

    @classmethod
    def from_files(
        cls,
        root: Path,
        paths: Sequence[str],
        labels: Sequence[int] | NDArray[np.int64],
        classes: Sequence[str],
    ) -> "Source":
        """Encoded image files: paths relative to ``root``, with a label each.

        Raises:
            UserError: a class name that cannot be printed or written down.
        """
        unreadable = [name for name in classes if not name.isprintable()]
        if unreadable:
            raise UserError(f"{root}: the class name {unreadable[0]!a} is no printable UTF-8 text; rename it")
        return cls(tuple(classes), np.asarray(labels, np.int64), root=root, paths=tuple(paths))

    @classmethod
    def from_pixels(
        cls, pixels: NDArray[np.uint8], labels: Sequence[int] | NDArray[np.int64], classes: Sequence[str]
    ) -> "Source":
        """Decoded images of one size in memory: uint8 (n, height, width, 1 or 3)."""
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] not in (1, 3):
            raise ValueError(f"pixels must be uint8 (n, height, width, 1 or 3), got {pixels.dtype} {pixels.shape}")
        return cls(tuple(classes), np.asarray(labels, np.int64), pixels=np.ascontiguousarray(pixels))
