"""RandAugment: Cubuk, Zoph, Shlens, Le, 2019, arXiv:1909.13719."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcls import Augmentation, Draws, Graph
from imgcls_augment.distributions import normal
from imgcls_augment.one_of import OneOf
from imgcls_augment.options import RandAugment
from imgcls_augment.policies import GREATEST, RAND_AUGMENT, RAND_AUGMENT_PAPER


class Layers(Augmentation):
    """Some operations one after the other, each chosen evenly of fourteen, all of one magnitude.

    Args:
        one_of: the operations.
        layers: how many.
        magnitude: 0..30.
        magnitude_std: of a normal distribution about the magnitude, cut off to 0..30.
    """

    def __init__(self, one_of: OneOf, layers: int, magnitude: float, magnitude_std: float) -> None:
        self.one_of = one_of
        self.layers = layers
        self.magnitude = magnitude
        self.magnitude_std = magnitude_std

    def draw(self, draws: Draws, size: int) -> tuple[NDArray[Any], ...]:
        """Return kind, value and matrix of each layer, as :meth:`OneOf.parameters`."""
        fed: list[NDArray[Any]] = []
        for _ in range(self.layers):
            chosen = draws.integers(len(self.one_of.rows))[:, 0]
            magnitude = np.full(len(draws), self.magnitude)
            if self.magnitude_std > 0:
                magnitude = np.clip(magnitude + self.magnitude_std * normal(draws), 0, GREATEST)
            fed += self.one_of.parameters(chosen, magnitude / GREATEST, draws.chance(0.5), size)
        return tuple(fed)

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Apply the layers."""
        for first in range(0, len(parameters), 3):
            layer = parameters[first : first + 3]
            graph.images = self.one_of.apply(graph.images, graph.channels, *layer)


def build(options: RandAugment) -> Layers:
    """Layers of random operations."""
    rows = RAND_AUGMENT if options.increasing else RAND_AUGMENT_PAPER
    one_of = OneOf(rows, options.fill, options.interpolation)
    return Layers(one_of, options.layers, options.magnitude, options.magnitude_std)
