"""What the components can be told. Imports no torch: `imgcls recipe check` reads this."""

from typing import Annotated

from annotated_types import Gt

from imgcls import options


@options
class SmallNet:
    """Two convolutions with batch norm, the mean over the image, one linear layer."""

    width: Annotated[int, Gt(0), "channels of the first convolution; the second has twice as many"] = 16


@options
class PhotoTiles:
    """Square tiles of china.jpg and flower.jpg, which come with scikit-learn."""

    tile: Annotated[int, Gt(0), "height and width in pixels"] = 32


@options
class WeightNorm:
    """Where the lengths are written."""

    file: Annotated[str, "name of the file in the run's folder"] = "weight_norm.jsonl"
