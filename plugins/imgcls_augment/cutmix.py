"""CutMix: Yun et al., 2019, CutMix: regularization strategy to train strong classifiers, arXiv:1905.04899."""

import math

import numpy as np
from torch import Tensor

from imgcls import Draws, Mix
from imgcls_augment.beta import beta
from imgcls_augment.options import CutMix


class Patch(Mix):
    """A box of the partner in its own place, the same box for the whole batch.

    Args:
        alpha: the box's share of the area, before it is cut off at the border, is of Beta(alpha, alpha).
        probability: as in :class:`imgcls.Mix`.
    """

    def __init__(self, alpha: float, probability: float) -> None:
        self.alpha = alpha
        self.probability = probability

    def mix(self, images: Tensor, partners: Tensor, draws: Draws) -> tuple[Tensor, float]:
        """Return the images with the box, and the share of pixels outside it."""
        height, width = images.shape[-2:]
        top, left, bottom, right = self.box(draws, height, width)
        mixed = images.clone()
        mixed[..., top:bottom, left:right] = partners[..., top:bottom, left:right]
        return mixed, 1 - (bottom - top) * (right - left) / (height * width)

    def box(self, draws: Draws, height: int, width: int) -> tuple[int, int, int, int]:
        """Return top, left, bottom and right in pixels; the centre lies anywhere in the image."""
        side = math.sqrt(1 - beta(draws, self.alpha))
        image = np.array([height, width])
        shape = np.floor(image * side)
        start = np.floor(draws.uniform(2)[0] * image) - shape // 2
        top, left = np.maximum(start, 0).astype(int).tolist()
        bottom, right = np.minimum(start + shape, image).astype(int).tolist()
        return top, left, bottom, right


def build(options: CutMix) -> Patch:
    """A pasted box."""
    return Patch(options.alpha, options.probability)
