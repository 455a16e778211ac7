"""Mixup: Zhang et al., 2017, mixup: beyond empirical risk minimization, arXiv:1710.09412."""

from torch import Tensor

from imgcls import Draws, Mix
from imgcls_augment.beta import beta
from imgcls_augment.options import Mixup


class Blend(Mix):
    """A weighted mean of two images, with one weight for the whole batch.

    Args:
        alpha: the weight is of Beta(alpha, alpha).
        probability: as in :class:`imgcls.Mix`.
    """

    def __init__(self, alpha: float, probability: float) -> None:
        self.alpha = alpha
        self.probability = probability

    def mix(self, images: Tensor, partners: Tensor, draws: Draws) -> tuple[Tensor, float]:
        """Return the means, and the weight of ``images``."""
        share = beta(draws, self.alpha)
        # no lerp: where it uses fused operations, bits depend on an image's place in the batch
        return (images * share).add_(partners * (1 - share)), share


def build(options: Mixup) -> Blend:
    """Weighted means."""
    return Blend(options.alpha, options.probability)
