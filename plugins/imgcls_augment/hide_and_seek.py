"""Hide-and-seek: Singh et al., 2018, Hide-and-Seek: a data augmentation technique, arXiv:1811.02545."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcls import Augmentation, Draws, Graph, UserError
from imgcls_augment.fill import colour
from imgcls_augment.options import HideAndSeek


class Patches(Augmentation):
    """Cut an image into square patches of a drawn size, and hide each with a probability.

    Args:
        sizes: of the patches in pixels, one of them drawn for each image; 0 leaves the image whole.
        hide: probability of each patch.
        fill: as in :func:`imgcls_augment.fill.colour`.
    """

    def __init__(self, sizes: tuple[int, ...], hide: float, fill: tuple[int, ...] | None) -> None:
        self.sizes = sizes
        self.hide = hide
        self.fill = fill

    def draw(self, draws: Draws, size: int) -> tuple[NDArray[Any], ...]:
        """Return all patches' corners, and their shapes, 0 where a patch is seen.

        Both are float32 (n, 2 * most), y and x in turn; most is the number of patches of the smallest size.
        """
        corners, shapes = self._patches(size)
        number = draws.integers(len(self.sizes))[:, 0]
        hidden = draws.uniform(corners.shape[1]) < self.hide
        shown = shapes[number] * hidden[:, :, None].astype(np.float32)
        flat = (len(draws), 2 * corners.shape[1])
        return corners[number].reshape(flat), shown.reshape(flat)

    def _patches(self, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return corners and shapes for each of the sizes: float32 (sizes, most, 2), filled up with shape 0."""
        sides = [-(-size // side) if side else 0 for side in self.sizes]
        most = max(1, max(sides) ** 2)
        corners = np.zeros((len(self.sizes), most, 2), np.float32)
        shapes = np.zeros_like(corners)
        for row, (side, count) in enumerate(zip(self.sizes, sides, strict=True)):
            grid = np.stack(np.divmod(np.arange(count**2), max(count, 1)), axis=-1)
            corners[row, : count**2] = side * grid
            shapes[row, : count**2] = side
        return corners, shapes

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Fill the hidden patches; what sticks out at the right and at the bottom is cut off."""
        from nvidia.dali import fn

        graph.images = fn.erase(
            graph.images,
            anchor=parameters[0],
            shape=parameters[1],
            axis_names="HW",
            fill_value=[float(level) for level in colour("hide_and_seek", self.fill, graph)],
        )


def build(options: HideAndSeek) -> Patches:
    """Hidden patches.

    Raises:
        UserError: no sizes to choose from.
    """
    if not options.sizes:
        raise UserError("augment hide_and_seek: sizes is empty; list at least one size in pixels")
    return Patches(options.sizes, options.hide, options.fill)
