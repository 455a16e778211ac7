"""Random numbers of other distributions than the even one, from a fixed number of draws a sample."""

import numpy as np
from numpy.typing import NDArray

from imgcls import Draws

_HALF_STEP = 2.0**-33  # draws are multiples of 2**-32 from 0 on; this keeps them inside 0..1


def normal(draws: Draws) -> NDArray[np.float64]:
    """Return float64 (n,), mean 0, standard deviation 1: Box and Muller, 1958."""
    radius, angle = (draws.uniform(2) + _HALF_STEP).T
    found: NDArray[np.float64] = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)
    return found


def dirichlet(draws: Draws, alpha: float, count: int) -> NDArray[np.float64]:
    """Return float64 (n, count), shares that add up to 1: even over all such for alpha 1, nearer to one for less.

    Gamma numbers by the inverse of their distribution function, divided by their sum; two are Beta(alpha, alpha).
    """
    from scipy.special import gammaincinv

    drawn: NDArray[np.float64] = gammaincinv(alpha, draws.uniform(count) + _HALF_STEP)
    drawn /= drawn.sum(axis=1, keepdims=True)
    return drawn
