"""Colour jitter with torchvision's ranges and random order.

The hue is turned in the YIQ colour space, which keeps the luma; torchvision's, in HSV, does not.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcls import Augmentation, Draws, Graph, UserError
from imgcls_augment.operations import Operations
from imgcls_augment.options import ColorJitter


class Jitter(Augmentation):
    """Change brightness, contrast, saturation and hue by random amounts, in an order drawn for each image.

    Args:
        ranges: least and greatest value by the operation's name: a factor, for hue degrees.
        probability: of an image being changed.
    """

    def __init__(self, ranges: dict[str, tuple[float, float]], probability: float) -> None:
        self.names = tuple(ranges)
        self.low, self.high = np.array(list(ranges.values())).T
        self.probability = probability

    def draw(self, draws: Draws, size: int) -> tuple[NDArray[Any], ...]:  # noqa: ARG002
        """Return kind int32 (n,) and value float32 (n,) of each step; kind 0 changes nothing."""
        count = len(self.names)
        value = (self.low + draws.uniform(count) * (self.high - self.low)).astype(np.float32)
        order = np.argsort(draws.uniform(count), axis=1, kind="stable")
        kind = np.where(draws.chance(self.probability)[:, None], order + 1, 0).astype(np.int32)
        value = np.take_along_axis(value, order, axis=1)
        return tuple(np.ascontiguousarray(part[:, i]) for i in range(count) for part in (kind, value))

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Apply one after the other.

        Raises:
            UserError: saturation or hue of images that have one channel.
        """
        coloured = [name for name in self.names if name in ("color", "hue")]
        if graph.channels == 1 and coloured:
            raise UserError(
                "augment color_jitter: the images have one channel, so no saturation and no hue; "
                "set saturation = 0.0 and hue = 0.0"
            )
        operations = Operations(graph.channels)
        for kind, value in zip(parameters[::2], parameters[1::2], strict=True):
            graph.images = operations.choose(("keep", *self.names), kind, graph.images, value)


def build(options: ColorJitter) -> Jitter:
    """Colour jitter.

    Raises:
        UserError: nothing to change.
    """
    strengths = {"brightness": options.brightness, "contrast": options.contrast, "color": options.saturation}
    ranges = {name: (max(1 - s, 0), 1 + s) for name, s in strengths.items() if s > 0}
    if options.hue > 0:
        ranges["hue"] = (-360 * options.hue, 360 * options.hue)
    if not ranges:
        raise UserError(
            "augment color_jitter: brightness, contrast, saturation and hue are all 0; set one, or remove it"
        )
    return Jitter(ranges, options.probability)
