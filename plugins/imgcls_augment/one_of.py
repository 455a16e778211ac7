"""One operation of several for each image, with a strength: what the policies of AutoAugment and its heirs do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcls_augment.operations import Node, Operations

SHARE = 150 / 331  # of the width that the greatest translation is: 150 pixels of 331 in arXiv:1805.09501
# the entries of Pillow's matrix (xx, xy, x, yx, yy, y) that each geometric operation but rotation fills
_ENTRIES = {"shear_x": (0, 1), "shear_y": (1, 0), "translate_x": (0, 2), "translate_y": (1, 2)}
_ONE = 1 << 16  # of Pillow's fixed-point numbers
_BLENDS = ("brightness", "contrast", "color", "sharpness")


@dataclass(frozen=True, slots=True)
class Row:
    """An operation and the range of its strength, from the least to the greatest magnitude.

    The strength is, for the operations by name: rotate: degrees, counter-clockwise; shear_x, shear_y: pixels
    aside a pixel; translate_x, translate_y: pixels, cut off to whole ones, or with ``of_size`` a share of the
    image's size; brightness, contrast, color, sharpness: what is added to the factor of 1; posterize: bits that
    are dropped, rounded, and 7 at most; solarize: the threshold. The others have none.

    Attributes:
        operation: its name.
        start: strength at magnitude 0.
        stop: strength at the greatest magnitude.
        signed: whether it is negated half of the time.
        of_size: whether it is a share of the image's size.
    """

    operation: str
    start: float = 0.0
    stop: float = 0.0
    signed: bool = False
    of_size: bool = False


class OneOf:
    """Rows that one is chosen from for each image.

    What is drawn for an image is three numbers and arrays for DALI: which of :attr:`kinds`, the value that the
    method of :class:`Operations` takes, and the matrix of the geometric operations, which all are one ``warp``.

    Args:
        rows: the operations to choose from, by number.
        fill: grey level of what geometric operations bring in.
        interpolation: of the geometric operations.

    Attributes:
        kinds: names of methods of :class:`Operations`; the first is ``"keep"``.
    """

    def __init__(self, rows: Sequence[Row], fill: int, interpolation: str) -> None:
        self.rows = tuple(rows)
        self.fill = fill
        self.interpolation = interpolation
        kinds = [_kind(row.operation) for row in rows]
        self.kinds = ("keep", *sorted(set(kinds) - {"keep"}))
        self._kinds = np.array([self.kinds.index(kind) for kind in kinds], np.int32)
        self._start = np.array([row.start for row in rows])
        self._stop = np.array([row.stop for row in rows])
        self._signed = np.array([row.signed for row in rows])
        self._of_size = np.array([row.of_size for row in rows])

    def parameters(
        self, chosen: NDArray[np.int64], level: NDArray[np.float64], negative: NDArray[np.bool_], size: int
    ) -> tuple[NDArray[Any], ...]:
        """Return what DALI is fed: kind int32 (n,), value float32 (n,), matrix float32 (n, 2, 3).

        Args:
            chosen: int64 (n,), a row's number, or -1 to leave an image as it is.
            level: float64 (n,), 0..1, from the least to the greatest magnitude.
            negative: bool (n,), which strengths are negated where the row is signed.
            size: the images' height and width in pixels.
        """
        strength = self._start[chosen] + level * (self._stop[chosen] - self._start[chosen])
        strength = strength * np.where(self._signed[chosen] & negative, -1.0, 1.0)
        strength = strength * np.where(self._of_size[chosen], size, 1)
        value = np.zeros(len(chosen), np.float32)
        matrix = np.tile(np.eye(2, 3, dtype=np.float32), (len(chosen), 1, 1))
        for number in np.unique(chosen[chosen >= 0]):
            at = chosen == number
            operation = self.rows[number].operation
            if self.kinds[self._kinds[number]] == "warp":
                matrix[at] = matrices(operation, strength[at], size)
            else:
                value[at] = values(operation, strength[at])
        return np.where(chosen < 0, 0, self._kinds[chosen]).astype(np.int32), value, matrix

    def apply(self, images: Node, channels: int, kind: Node, value: Node, matrix: Node) -> Node:
        """Return the images with each one's operation applied, from what :meth:`parameters` returned."""
        operations = Operations(channels, self.fill, self.interpolation)
        return operations.choose(self.kinds, kind, images, value, matrix)


def values(operation: str, strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the method of :class:`Operations` takes for a strength, both (n,)."""
    if operation in _BLENDS:
        return 1 + strength
    if operation == "posterize":
        return 256 - 2 ** np.minimum(np.rint(strength), 7)
    return strength


def matrices(operation: str, strength: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return Pillow's matrices of a geometric operation, from places in the result to the source's.

    Args:
        operation: rotate, about the centre, shear_x, shear_y, translate_x or translate_y.
        strength: (n,), as :class:`Row` has it.
        size: the images' height and width in pixels.

    Returns:
        (n, 2, 3).
    """
    made = np.tile(np.eye(2, 3), (len(strength), 1, 1))
    if operation == "rotate":
        angle = -np.radians(strength)
        cos, sin = np.cos(angle), np.sin(angle)
        made[:, 0, 0], made[:, 0, 1], made[:, 1, 0], made[:, 1, 1] = cos, sin, -sin, cos
        made[:, :, 2] = size / 2 * (1 - made[:, :, :2].sum(axis=2))
    else:
        row, column = _ENTRIES[operation]
        made[:, row, column] = np.trunc(strength) if column == 2 else strength
    return _in_fixed_point(made)


def _in_fixed_point(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round as Pillow does, so that a place between two pixels becomes the same one."""
    linear = np.floor(matrix[:, :, :2] * _ONE + 0.5) / _ONE
    # Pillow rounds where the first pixel's centre comes from
    half = matrix[:, :, :2].sum(axis=2) / 2
    first = np.floor((matrix[:, :, 2] + half) * _ONE + 0.5) / _ONE
    return np.concatenate([linear, (first - linear.sum(axis=2) / 2)[:, :, None]], axis=2)


def _kind(operation: str) -> str:
    if operation == "rotate" or operation in _ENTRIES:
        return "warp"
    return "keep" if operation == "identity" else operation
