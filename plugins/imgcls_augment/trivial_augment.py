"""TrivialAugment: Müller, Hutter, 2021, arXiv:2103.10158; the wide ranges."""

from typing import Any

from numpy.typing import NDArray

from imgcls import Augmentation, Draws, Graph
from imgcls_augment.one_of import OneOf
from imgcls_augment.options import TrivialAugment
from imgcls_augment.policies import GREATEST, TRIVIAL_AUGMENT_WIDE


class Single(Augmentation):
    """One operation for each image, chosen evenly, of a magnitude that is chosen evenly of 0 to 30."""

    def __init__(self, one_of: OneOf) -> None:
        self.one_of = one_of

    def draw(self, draws: Draws, size: int) -> tuple[NDArray[Any], ...]:
        """Return kind, value and matrix, as :meth:`OneOf.parameters`."""
        chosen = draws.integers(len(self.one_of.rows))[:, 0]
        level = draws.integers(GREATEST + 1)[:, 0] / GREATEST
        return self.one_of.parameters(chosen, level, draws.chance(0.5), size)

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Apply it."""
        graph.images = self.one_of.apply(graph.images, graph.channels, *parameters)


def build(options: TrivialAugment) -> Single:
    """One random operation."""
    return Single(OneOf(TRIVIAL_AUGMENT_WIDE, options.fill, options.interpolation))
