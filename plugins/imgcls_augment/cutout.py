"""Cutout: DeVries, Taylor, 2017, Improved regularization of convolutional neural networks, arXiv:1708.04552."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcls import Augmentation, Draws, Graph, UserError
from imgcls_augment.fill import colour
from imgcls_augment.options import Cutout


class Holes(Augmentation):
    """Hide squares whose centres lie anywhere in the image, with the part that lies outside cut off.

    Args:
        holes: squares in an image.
        length: of their sides in pixels; None for half of the image's.
        fill: as in :func:`imgcls_augment.fill.colour`.
    """

    def __init__(self, holes: int, length: int | None, fill: tuple[int, ...] | None) -> None:
        self.holes = holes
        self.length = length
        self.fill = fill

    def draw(self, draws: Draws, size: int) -> tuple[NDArray[Any], ...]:
        """Return the upper left corners, float32 (n, 2 * holes): y and x of each, which may be below 0."""
        corners = draws.integers(size, 2 * self.holes) - self._side(size) // 2
        return (corners.astype(np.float32),)

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Fill the squares."""
        from nvidia.dali import fn

        graph.images = fn.erase(
            graph.images,
            anchor=parameters[0],
            shape=[float(self._side(graph.size))] * (2 * self.holes),
            axis_names="HW",
            fill_value=[float(level) for level in colour("cutout", self.fill, graph)],
        )

    def _side(self, size: int) -> int:
        if self.length is None:
            return size // 2
        if self.length > size:
            raise UserError(
                f"augment cutout: a hole of {self.length} pixels is larger than the images of {size} pixels; "
                f"set length to {size} or less, or leave it out for {size // 2}"
            )
        return self.length


def build(options: Cutout) -> Holes:
    """Square holes."""
    return Holes(options.holes, options.length, options.fill)
