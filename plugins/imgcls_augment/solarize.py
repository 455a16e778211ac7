"""Solarisation: invert what is bright."""

import numpy as np
from numpy.typing import NDArray

from imgcls import Draws
from imgcls_augment.options import Solarize
from imgcls_augment.sometimes import Sometimes


class Inverted(Sometimes):
    """Invert the grey levels from a threshold on, with a probability."""

    def __init__(self, probability: float, threshold: int) -> None:
        super().__init__("solarize", probability)
        self.threshold = threshold

    def value(self, draws: Draws) -> NDArray[np.float64]:
        """Return the threshold for each image."""
        return np.full(len(draws), float(self.threshold))


def build(options: Solarize) -> Inverted:
    """Solarisation with a probability."""
    return Inverted(options.probability, options.threshold)
