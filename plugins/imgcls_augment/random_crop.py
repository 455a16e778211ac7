"""Pad and crop: Lee et al., 2014, Deeply-supervised nets, arXiv:1409.5185, as usual for CIFAR."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcls import Augmentation, Draws, Graph
from imgcls_augment.options import RandomCrop


class Shift(Augmentation):
    """Shift each image by up to ``padding`` pixels in both directions, filling what comes in."""

    def __init__(self, padding: int, fill: int) -> None:
        self.padding = padding
        self.fill = fill

    def draw(self, draws: Draws, size: int) -> tuple[NDArray[Any], ...]:  # noqa: ARG002
        """Return the windows' starts, int32 (n, 2), each in -padding..padding."""
        return ((draws.integers(2 * self.padding + 1, 2) - self.padding).astype(np.int32),)

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Cut the window out, beyond the image's edge too."""
        from nvidia.dali import fn

        graph.images = fn.slice(
            graph.images,
            start=parameters[0],
            shape=[graph.size, graph.size],
            axis_names="HW",
            out_of_bounds_policy="pad",
            fill_values=float(self.fill),
        )


def build(options: RandomCrop) -> Shift:
    """A shift with padding."""
    return Shift(options.padding, options.fill)
