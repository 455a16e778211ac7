"""GridMask: Chen et al., 2020, GridMask data augmentation, arXiv:2001.04086."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcls import Augmentation, Draws, Graph, UserError
from imgcls_augment.fill import colour
from imgcls_augment.options import GridMask

_PUBLISHED_SIZE = 224  # of the images that the paper's units are for


class Grid(Augmentation):
    """Hide a grid of squares, turned and shifted at random, more often from epoch to epoch.

    Args:
        unit: least and greatest distance of the squares, in pixels of an image of 224 pixels.
        ratio: a square's side as a share of their distance. The paper's r is what is left of it, 1 - ratio.
        rotation: degrees; the angle is even from 0 to this.
        probability: of an image being changed, once it has risen.
        rise_epochs: over which the probability rises linearly from 0.
        fill: as in :func:`imgcls_augment.fill.colour`.
    """

    def __init__(
        self,
        unit: tuple[int, int],
        ratio: float,
        rotation: float,
        probability: float,
        rise_epochs: int,
        fill: tuple[int, ...] | None,
    ) -> None:
        self.unit = unit
        self.ratio = ratio
        self.rotation = rotation
        self.probability = probability
        self.rise_epochs = rise_epochs
        self.fill = fill

    def draw(self, draws: Draws, size: int) -> tuple[NDArray[Any], ...]:
        """Return distance, int32 (n,), ratio, angle in radians and shift in x and y in pixels, each float32 (n,).

        The ratio is 0 for an image that stays as it is.
        """
        least, most = (max(2, round(side * size / _PUBLISHED_SIZE)) for side in self.unit)
        masked = draws.chance(self._chance(draws.epoch))
        tile = least + draws.integers(most - least + 1)[:, 0]
        angle, shift_x, shift_y = draws.uniform(3).T * [[np.radians(self.rotation)], [1], [1]]
        ratio = np.where(masked, self.ratio, 0)
        floats = [ratio, angle, shift_x * tile, shift_y * tile]
        return tile.astype(np.int32), *(each.astype(np.float32) for each in floats)

    def _chance(self, epoch: int) -> float:
        return self.probability * (min(1.0, epoch / self.rise_epochs) if self.rise_epochs else 1.0)

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Hide the squares."""
        from nvidia.dali import fn, types

        tile, ratio, angle, shift_x, shift_y = parameters
        images = graph.images
        levels = np.array(colour("grid_mask", self.fill, graph), np.uint8)
        fill = types.Constant(levels, device=images.device) if levels.any() else None
        # the operator hides with 0 alone: XOR makes the colour 0, and after it 0 the colour
        images = images if fill is None else images ^ fill
        images = fn.grid_mask(images, tile=tile, ratio=ratio, angle=angle, shift_x=shift_x, shift_y=shift_y)
        graph.images = images if fill is None else images ^ fill


def build(options: GridMask) -> Grid:
    """A grid of hidden squares.

    Raises:
        UserError: a range whose end is below its start.
    """
    if options.unit[0] > options.unit[1]:
        raise UserError(f"augment grid_mask: unit = [{options.unit[0]}, {options.unit[1]}] must rise")
    return Grid(
        options.unit,
        options.ratio,
        options.rotation,
        options.probability,
        options.rise_epochs,
        options.fill,
    )
