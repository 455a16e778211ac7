"""One operation that an image undergoes with a probability."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcls import Augmentation, Draws, Graph
from imgcls_augment.operations import Operations


class Sometimes(Augmentation):
    """Apply an operation with a probability.

    Args:
        operation: name of a method of :class:`Operations`.
        probability: of an image being changed.
    """

    def __init__(self, operation: str, probability: float) -> None:
        self.operation = operation
        self.probability = probability

    def draw(self, draws: Draws, size: int) -> tuple[NDArray[Any], ...]:  # noqa: ARG002
        """Return int32 (n,), 1 where the image is changed, and float32 (n,), the operation's value, if any."""
        changed = draws.chance(self.probability)
        value = self.value(draws)
        return (changed.astype(np.int32), *([] if value is None else [value.astype(np.float32)]))

    def value(self, draws: Draws) -> NDArray[np.float64] | None:  # noqa: ARG002
        """Return what the operation takes, (n,); None where there is nothing."""
        return None

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Apply the operation where it is due."""
        names = ("keep", self.operation)
        graph.images = Operations(graph.channels).choose(names, parameters[0], graph.images, *parameters[1:])
