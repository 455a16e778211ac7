"""Gaussian blur, with the strength and probability of SimCLR: Chen et al., 2020, arXiv:2002.05709, appendix A."""

import numpy as np
from numpy.typing import NDArray

from imgcls import Draws, UserError
from imgcls_augment.options import GaussianBlur
from imgcls_augment.sometimes import Sometimes


class Blur(Sometimes):
    """Blur with a probability.

    Args:
        probability: of an image being blurred.
        sigma: least and greatest standard deviation in pixels.
    """

    def __init__(self, probability: float, sigma: tuple[float, float]) -> None:
        super().__init__("blur", probability)
        self.sigma = sigma

    def value(self, draws: Draws) -> NDArray[np.float64]:
        """Return the standard deviations, evenly distributed."""
        low, high = self.sigma
        return low + draws.uniform()[:, 0] * (high - low)


def build(options: GaussianBlur) -> Blur:
    """Blur with a probability.

    Raises:
        UserError: a range whose end is below its start.
    """
    low, high = options.sigma
    if low > high:
        raise UserError(f"augment gaussian_blur: sigma = [{low}, {high}] must rise")
    return Blur(options.probability, options.sigma)
