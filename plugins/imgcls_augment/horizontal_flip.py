"""Mirror left and right."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcls import Augmentation, Draws, Graph
from imgcls_augment.options import HorizontalFlip


class Flip(Augmentation):
    """Mirror an image with a probability."""

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def draw(self, draws: Draws, size: int) -> tuple[NDArray[Any], ...]:  # noqa: ARG002
        """Return int32 (n,), 1 where the image is mirrored."""
        return (draws.chance(self.probability).astype(np.int32),)

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Mirror with the normalisation if nothing follows."""
        graph.mirror(parameters[0])


def build(options: HorizontalFlip) -> Flip:
    """A mirror."""
    return Flip(options.probability)
