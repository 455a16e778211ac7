"""Rotation about the centre by a random angle."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcls import Augmentation, Draws, Graph
from imgcls_augment.one_of import matrices
from imgcls_augment.operations import Operations
from imgcls_augment.options import RandomRotation


class Rotation(Augmentation):
    """Rotate by an angle that is evenly distributed, to both sides; the size stays.

    Args:
        degrees: the greatest angle.
        fill: grey level of the corners that come in.
        interpolation: ``"nearest"`` or ``"bilinear"``.
    """

    def __init__(self, degrees: float, fill: int, interpolation: str) -> None:
        self.degrees = degrees
        self.fill = fill
        self.interpolation = interpolation

    def draw(self, draws: Draws, size: int) -> tuple[NDArray[Any], ...]:
        """Return the matrices, float32 (n, 2, 3)."""
        angle = (2 * draws.uniform()[:, 0] - 1) * self.degrees
        return (matrices("rotate", angle, size).astype(np.float32),)

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Rotate."""
        operations = Operations(graph.channels, self.fill, self.interpolation)
        graph.images = operations.warp(graph.images, None, parameters[0])


def build(options: RandomRotation) -> Rotation:
    """A random rotation."""
    return Rotation(options.degrees, options.fill, options.interpolation)
