"""3-Augment: Touvron, Cord, Jégou, 2022, DeiT III: Revenge of the ViT, arXiv:2204.07118, section 3."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcls import Augmentation, Draws, Graph, UserError
from imgcls_augment.operations import Operations
from imgcls_augment.options import ThreeAugment

_NAMES = ("grayscale", "solarize", "blur")


class OneOfThree(Augmentation):
    """Grey, solarised or blurred: one of them for each image, evenly.

    Args:
        threshold: of the solarisation.
        sigma: least and greatest standard deviation of the blur, in pixels.
    """

    def __init__(self, threshold: int, sigma: tuple[float, float]) -> None:
        self.threshold = threshold
        self.sigma = sigma

    def draw(self, draws: Draws, size: int) -> tuple[NDArray[Any], ...]:  # noqa: ARG002
        """Return which, int32 (n,), and its value, float32 (n,)."""
        chosen = draws.integers(len(_NAMES))[:, 0]
        low, high = self.sigma
        sigma = low + draws.uniform()[:, 0] * (high - low)
        value = np.choose(chosen, [np.zeros(len(draws)), np.full(len(draws), float(self.threshold)), sigma])
        return chosen.astype(np.int32), value.astype(np.float32)

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Apply the one that was chosen.

        Raises:
            UserError: images that have one channel.
        """
        if graph.channels == 1:
            raise UserError(
                "augment three_augment: one of its three is grayscale, but the images have one channel; "
                "use solarize and gaussian_blur instead"
            )
        kind, value = parameters
        graph.images = Operations(graph.channels).choose(_NAMES, kind, graph.images, value)


def build(options: ThreeAugment) -> OneOfThree:
    """One of three.

    Raises:
        UserError: a range whose end is below its start.
    """
    low, high = options.sigma
    if low > high:
        raise UserError(f"augment three_augment: sigma = [{low}, {high}] must rise")
    return OneOfThree(options.threshold, options.sigma)
