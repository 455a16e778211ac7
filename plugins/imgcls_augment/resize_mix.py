"""ResizeMix: Qin et al., 2020, ResizeMix: mixing data with preserved object information, arXiv:2012.11101."""

import numpy as np
from torch import Tensor
from torch.nn.functional import interpolate

from imgcls import Draws, Mix, UserError
from imgcls_augment.beta import beta
from imgcls_augment.options import ResizeMix


class Inset(Mix):
    """The whole partner, made smaller, in a box inside the image; the same box for the whole batch.

    Args:
        side: least and greatest share of the image's side.
        alpha: the box's side is of Beta(alpha, alpha) between the two; 1, the paper's, is even.
        probability: as in :class:`imgcls.Mix`.
    """

    def __init__(self, side: tuple[float, float], alpha: float, probability: float) -> None:
        self.side = side
        self.alpha = alpha
        self.probability = probability

    def mix(self, images: Tensor, partners: Tensor, draws: Draws) -> tuple[Tensor, float]:
        """Return the images with the box, and the share of pixels outside it."""
        height, width = images.shape[-2:]
        top, left, bottom, right = self.box(draws, height, width)
        shape = (bottom - top, right - left)
        mixed = images.clone()
        mixed[..., top:bottom, left:right] = interpolate(partners, shape, mode="bilinear", antialias=True)
        return mixed, 1 - shape[0] * shape[1] / (height * width)

    def box(self, draws: Draws, height: int, width: int) -> tuple[int, int, int, int]:
        """Return top, left, bottom and right in pixels."""
        side = self.side[0] + (self.side[1] - self.side[0]) * beta(draws, self.alpha)
        image = np.array([height, width])
        shape = np.maximum(np.rint(image * side), 1)
        start = np.floor(draws.uniform(2)[0] * (image - shape + 1))
        top, left = start.astype(int).tolist()
        bottom, right = (start + shape).astype(int).tolist()
        return top, left, bottom, right


def build(options: ResizeMix) -> Inset:
    """A pasted smaller image.

    Raises:
        UserError: a range whose end is below its start.
    """
    if options.side[0] > options.side[1]:
        raise UserError(f"augment resize_mix: side = [{options.side[0]}, {options.side[1]}] must rise")
    return Inset(options.side, options.alpha, options.probability)
