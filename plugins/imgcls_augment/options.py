"""What augmentations can be told. Imports neither DALI nor torch."""

from typing import Annotated

from annotated_types import Ge, Gt, Le

from imgcls import options

Share = Annotated[float, Gt(0), Le(1)]


@options
class RandomResizedCrop:
    """Szegedy et al., 2014, arXiv:1409.4842, section 6, with torchvision's algorithm."""

    scale: Annotated[tuple[Share, Share], "least and greatest share of the image's area"] = (0.08, 1.0)
    ratio: Annotated[
        tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]], "least and greatest width / height"
    ] = (
        3 / 4,
        4 / 3,
    )


@options
class RandomCrop:
    """Pad on all sides, then cut out the input size at random."""

    padding: Annotated[int, Gt(0), "pixels on each side"] = 4
    fill: Annotated[int, Ge(0), Le(255), "grey level of the padding"] = 0


@options
class HorizontalFlip:
    """Mirror left and right."""

    probability: Annotated[float, Ge(0), Le(1)] = 0.5
