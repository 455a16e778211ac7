"""AugMix: Hendrycks et al., 2019, arXiv:1912.02781; the mixed image alone, without the consistency loss."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcls import Augmentation, Draws, Graph
from imgcls_augment.distributions import dirichlet
from imgcls_augment.one_of import OneOf
from imgcls_augment.options import AugMix
from imgcls_augment.policies import AUG_MIX, AUG_MIX_ALL

_DEEPEST = 3  # operations of a chain, where their number is drawn
_LEAST = 0.1  # magnitude, of 10


class Chains(Augmentation):
    """An image mixed with several chains of operations on it.

    Args:
        one_of: the operations.
        severity: greatest magnitude, of 10.
        width: chains.
        depth: operations of a chain; 0 draws 1 to 3 for each.
        alpha: of the distributions that the weights are drawn from.
    """

    def __init__(self, one_of: OneOf, severity: int, width: int, depth: int, alpha: float) -> None:
        self.one_of = one_of
        self.severity = severity
        self.width = width
        self.depth = depth
        self.alpha = alpha

    def draw(self, draws: Draws, size: int) -> tuple[NDArray[Any], ...]:
        """Return the weights, float32 (n, width + 1), the image's own first, and each operation's parameters.

        These are kind, value and matrix, as :meth:`OneOf.parameters`, of each place in each chain.
        """
        chains = dirichlet(draws, self.alpha, self.width)
        mixed = dirichlet(draws, self.alpha, 2)
        weights = np.concatenate([mixed[:, :1], mixed[:, 1:] * chains], axis=1)
        fed: list[NDArray[Any]] = [weights.astype(np.float32)]
        for _ in range(self.width):
            depth = draws.integers(_DEEPEST)[:, 0] + 1 if self.depth == 0 else np.full(len(draws), self.depth)
            for place in range(self._places):
                chosen = np.where(place < depth, draws.integers(len(self.one_of.rows))[:, 0], -1)
                magnitude = _LEAST + draws.uniform()[:, 0] * (self.severity - _LEAST)
                fed += self.one_of.parameters(chosen, magnitude / 10, draws.chance(0.5), size)
        return tuple(fed)

    @property
    def _places(self) -> int:
        return self.depth or _DEEPEST

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Apply the chains, and mix."""
        from nvidia.dali import fn, types

        original = graph.images
        weights, rest = parameters[0], list(parameters[1:])
        weights = weights.gpu() if original.device == "gpu" else weights
        mixed = original * weights[0]
        for chain in range(self.width):
            images = original
            for _ in range(self._places):
                images = self.one_of.apply(images, graph.channels, *rest[:3])
                del rest[:3]
            mixed = mixed + images * weights[chain + 1]
        graph.images = fn.cast(mixed, dtype=types.UINT8)


def build(options: AugMix) -> Chains:
    """Mixed chains of operations."""
    rows = AUG_MIX_ALL if options.all_operations else AUG_MIX
    one_of = OneOf(rows, options.fill, options.interpolation)
    return Chains(one_of, options.severity, options.width, options.depth, options.alpha)
