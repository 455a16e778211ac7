"""Grey images in three channels: the luma of ITU-R BT.601, as Pillow and torchvision have it."""

from typing import Any

from imgcls import Graph, UserError
from imgcls_augment.options import Grayscale
from imgcls_augment.sometimes import Sometimes


class Grey(Sometimes):
    """Take the colour out with a probability."""

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Take the colour out where it is due.

        Raises:
            UserError: images that have one channel.
        """
        if graph.channels == 1:
            raise UserError("augment grayscale: the images have one channel and are grey already; remove it")
        super().apply(graph, *parameters)


def build(options: Grayscale) -> Grey:
    """Grey with a probability."""
    return Grey("grayscale", options.probability)
