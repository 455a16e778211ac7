"""What augmentations can be told. Imports neither DALI nor torch."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

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


Warping = Annotated[Literal["nearest", "bilinear"], "how rotated, sheared and moved pixels are read"]
FillLevel = Annotated[int, Ge(0), Le(255), "grey level of what rotating, shearing and moving bring in"]
Sigma = Annotated[float, Gt(0), Le(32)]


@options
class RandAugment:
    """Cubuk et al., 2019, arXiv:1909.13719: fourteen operations, all of one magnitude."""

    layers: Annotated[int, Ge(1), Le(8), "operations one after the other"] = 2
    magnitude: Annotated[float, Ge(0), Le(30), "strength, 30 the greatest (9 on a scale of 10 is 27)"] = 9.0
    magnitude_std: Annotated[float, Ge(0), Le(30), "standard deviation of the magnitude"] = 0.0
    increasing: Annotated[
        bool, "a greater magnitude changes more; false: the paper's ranges, where some change less"
    ] = True
    fill: FillLevel = 128
    interpolation: Warping = "nearest"


@options
class AutoAugment:
    """Cubuk et al., 2018, arXiv:1805.09501: 25 pairs of operations, found by search."""

    policy: Annotated[Literal["imagenet", "cifar10", "svhn"], "the dataset it was found on"] = "imagenet"
    fill: FillLevel = 128
    interpolation: Warping = "nearest"


@options
class TrivialAugment:
    """Müller, Hutter, 2021, arXiv:2103.10158: one operation of any strength; the wide ranges."""

    fill: FillLevel = 128
    interpolation: Warping = "nearest"


@options
class AugMix:
    """Hendrycks et al., 2019, arXiv:1912.02781: the image mixed with chains of operations on it."""

    severity: Annotated[int, Ge(1), Le(10), "greatest magnitude, of 10"] = 3
    width: Annotated[int, Ge(1), Le(8), "chains"] = 3
    depth: Annotated[int, Ge(0), Le(8), "operations of a chain; 0 draws 1 to 3"] = 0
    alpha: Annotated[float, Ge(0.1), Le(100), "of the weights' distributions; less is nearer to one alone"] = 1.0
    all_operations: Annotated[bool, "brightness, color, contrast, sharpness too, which ImageNet-C tests"] = False
    fill: FillLevel = 128
    interpolation: Warping = "nearest"


@options
class ColorJitter:
    """Brightness, contrast, saturation and hue by random amounts, in random order, as torchvision has it."""

    brightness: Annotated[float, Ge(0), Le(1), "s: factor of 1 - s to 1 + s"] = 0.4
    contrast: Annotated[float, Ge(0), Le(1), "s: factor of 1 - s to 1 + s"] = 0.4
    saturation: Annotated[float, Ge(0), Le(1), "s: factor of 1 - s to 1 + s"] = 0.4
    hue: Annotated[float, Ge(0), Le(0.5), "greatest part of a full turn, to both sides, in YIQ"] = 0.0
    probability: Annotated[float, Ge(0), Le(1), "of an image being changed"] = 1.0


@options
class Grayscale:
    """Grey images in three channels."""

    probability: Annotated[float, Ge(0), Le(1), "of an image being changed"] = 0.1


@options
class GaussianBlur:
    """Blur, as SimCLR has it, arXiv:2002.05709."""

    probability: Annotated[float, Ge(0), Le(1), "of an image being changed"] = 0.5
    sigma: Annotated[tuple[Sigma, Sigma], "least and greatest standard deviation in pixels"] = (0.1, 2.0)


@options
class Solarize:
    """Invert what is bright."""

    probability: Annotated[float, Ge(0), Le(1), "of an image being changed"] = 0.5
    threshold: Annotated[int, Ge(0), Le(256), "grey level from which on pixels are inverted"] = 128


@options
class RandomRotation:
    """Rotate about the centre, to both sides."""

    degrees: Annotated[float, Gt(0), Le(180), "the greatest angle"] = 15.0
    fill: FillLevel = 0
    interpolation: Warping = "nearest"


@options
class ThreeAugment:
    """Touvron et al., 2022, arXiv:2204.07118: grayscale, solarize or Gaussian blur, one for each image."""

    threshold: Annotated[int, Ge(0), Le(256), "grey level from which on pixels are inverted"] = 128
    sigma: Annotated[tuple[Sigma, Sigma], "least and greatest standard deviation in pixels"] = (0.1, 2.0)


@options
class HorizontalFlip:
    """Mirror left and right."""

    probability: Annotated[float, Ge(0), Le(1), "of an image being changed"] = 0.5


Level = Annotated[int, Ge(0), Le(255)]
Pixels = Annotated[int, Ge(0)]


@options
class Cutout:
    """DeVries, Taylor, 2017, arXiv:1708.04552."""

    holes: Annotated[int, Gt(0), "squares in each image"] = 1
    length: Annotated[Annotated[int, Gt(0)] | None, "pixels of a square's side; unset: half of the image's"] = None
    fill: Annotated[
        tuple[Level, ...] | None, "grey level, or one a channel; unset: the mean colour, input.mean"
    ] = None


@options
class RandomErasing:
    """Zhong et al., 2017, arXiv:1708.04896."""

    probability: Annotated[float, Ge(0), Le(1), "of an image being changed"] = 0.5
    area: Annotated[tuple[Share, Share], "least and greatest share of the area, for each box"] = (
        0.02,
        0.4,
    )
    aspect: Annotated[
        tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]],
        "least and greatest height / width, even in the logarithm",
    ] = (0.3, 1 / 0.3)
    fill: Annotated[
        Literal["constant", "random", "pixel"], "`value`, a random colour for each box, or one for each pixel"
    ] = "constant"
    value: Annotated[int, Ge(0), Le(255), 'grey level of fill = "constant"'] = 0
    count: Annotated[int, Gt(0), "boxes in an image"] = 1


@options
class HideAndSeek:
    """Singh et al., 2018, arXiv:1811.02545."""

    sizes: Annotated[
        tuple[Pixels, ...], "pixels of a patch's side, one of them drawn for an image; 0 leaves the image whole"
    ] = (0, 16, 32, 44, 56)
    hide: Annotated[float, Ge(0), Le(1), "probability of each patch"] = 0.5
    fill: Annotated[
        tuple[Level, ...] | None, "grey level, or one a channel; unset: the mean colour, input.mean"
    ] = None


@options
class GridMask:
    """Chen et al., 2020, arXiv:2001.04086."""

    unit: Annotated[
        tuple[Annotated[int, Gt(0)], Annotated[int, Gt(0)]],
        "least and greatest distance of the hidden squares, in pixels of a 224-pixel image; scaled to the input",
    ] = (96, 224)
    ratio: Annotated[float, Gt(0), Lt(1), "a hidden square's side as a share of that distance"] = 0.5
    rotation: Annotated[float, Ge(0), Le(360), "degrees; the angle is even from 0 to this"] = 360.0
    probability: Annotated[float, Ge(0), Le(1), "of an image being changed, once it has risen"] = 0.8
    rise_epochs: Annotated[int, Ge(0), "epochs over which the probability rises linearly from 0"] = 240
    fill: Annotated[
        tuple[Level, ...] | None, "grey level, or one a channel; unset: the mean colour, input.mean"
    ] = None


@options
class Mixup:
    """Zhang et al., 2017, arXiv:1710.09412."""

    alpha: Annotated[float, Gt(0), "the weight is of Beta(alpha, alpha)"] = 0.2
    probability: Annotated[float, Ge(0), Le(1), "of a batch being mixed this way"] = 1.0


@options
class CutMix:
    """Yun et al., 2019, arXiv:1905.04899."""

    alpha: Annotated[float, Gt(0), "the box's share of the area is of Beta(alpha, alpha)"] = 1.0
    probability: Annotated[float, Ge(0), Le(1), "of a batch being mixed this way"] = 1.0


@options
class ResizeMix:
    """Qin et al., 2020, arXiv:2012.11101."""

    side: Annotated[tuple[Share, Share], "least and greatest share of the image's side"] = (0.1, 0.8)
    alpha: Annotated[float, Gt(0), "the side is of Beta(alpha, alpha) between the two; 1 is even"] = 1.0
    probability: Annotated[float, Ge(0), Le(1), "of a batch being mixed this way"] = 1.0
