"""What an augmentation plugin builds: draws made outside, operators that hold no randomness."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from imgcls.data.draws import Draws

Node = Any  # nvidia.dali.data_node.DataNode; DALI has no types


class Crop(ABC):
    """A region of the original image, cut out while it is decoded. A recipe has one at most."""

    @abstractmethod
    def boxes(self, draws: "Draws", sizes: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the regions' starts and shapes, each int32 (n, 2) as y and x, inside the images.

        Args:
            draws: random numbers, keyed by seed, epoch and sample.
            sizes: int32 (n, 2), the images' height and width in pixels.
        """


class Augmentation(ABC):
    """An operation on each image after it has been resized to the model's input size."""

    @abstractmethod
    def draw(self, draws: "Draws", size: int) -> tuple[NDArray[Any], ...]:
        """Return one array a parameter, each with a row for each sample, of a type that the operator takes.

        Args:
            draws: random numbers, keyed by seed, epoch and sample.
            size: the images' height and width in pixels.
        """

    @abstractmethod
    def apply(self, graph: "Graph", *parameters: Node) -> None:
        """Add the operators to the graph: read ``graph.images``, and set it.

        Args:
            graph: the images on their way, uint8 in HWC layout.
            parameters: what ``draw`` returned, in DALI.
        """


class Mix(ABC):
    """Mixes each image of a batch with a partner of the same global batch, and their labels alike.

    Attributes:
        probability: of a batch being mixed this way. Where a recipe lists several, one of them at most is drawn
            for a batch, each with its own probability; these must add up to 1 or less.
    """

    probability: float

    @abstractmethod
    def mix(self, images: "Tensor", partners: "Tensor", draws: "Draws") -> tuple["Tensor", float]:
        """Return the mixed images, and the share that their own labels keep, in 0..1.

        Args:
            images: float32 (n, channels, size, size), normalised; n is this worker's part of the batch.
            partners: as images, the image that each is mixed with.
            draws: random numbers of one row, keyed by seed, epoch and global step: the same on every worker.
        """


class Graph:
    """The images in a DALI pipeline under construction.

    A mirror that comes last is not done here but together with the normalisation, where it costs nothing;
    reading ``images`` does a pending one first.

    Attributes:
        size: height and width in pixels.
        channels: 1 or 3.
        mean: grey levels of the mean colour that the normalisation will take off, one a channel.
    """

    def __init__(self, images: Node, size: int, mean: tuple[float, ...]) -> None:
        self._images = images
        self._mirror: Node | None = None
        self.size = size
        self.channels = len(mean)
        self.mean = tuple(round(255 * value) for value in mean)

    @property
    def images(self) -> Node:
        """The images, uint8 HWC."""
        if self._mirror is not None:
            from nvidia.dali import fn

            self._images, self._mirror = fn.flip(self._images, horizontal=self._mirror), None
        return self._images

    @images.setter
    def images(self, images: Node) -> None:
        self._images = images

    def mirror(self, flags: Node) -> None:
        """Flip the images from left to right where the int32 flag is 1."""
        self._images = self.images  # a second mirror comes after the first
        self._mirror = flags

    def finish(self) -> tuple[Node, Node | None]:
        """Return the images and the mirror that is still to be done with the normalisation."""
        return self._images, self._mirror
