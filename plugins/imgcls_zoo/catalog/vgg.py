"""VGG."""

from typing import Annotated, Literal

from annotated_types import Ge, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class Vgg:
    """Simonyan, Zisserman, 2014, Very deep convolutional networks for large-scale image recognition."""

    layers: Annotated[tuple[int, int, int, int, int], "3x3 convolutions before each pooling"]
    batch_norm: Annotated[bool, "after each convolution; the paper is older than it"] = False
    head: Annotated[Literal["three_layers", "linear"], "fully connected layers: the paper's three, or one"] = (
        "three_layers"
    )
    dropout: Annotated[float, Ge(0), Lt(1), "before each fully connected layer but the first"] = 0.5


_VGG = Family(
    build="imgcls_zoo.vgg:build",
    year=2014,
    paper="arXiv:1409.1556",
    source="torchvision, IMAGENET1K_V1 weights",
)
_BIAS = "PaddleClas's convolutions have no biases; the paper's and torchvision's have"

MODELS = (
    _VGG.row(
        "vgg11",
        Vgg(layers=(1, 1, 2, 2, 2)),
        params=132_863_336,
        macs_g=7.609,
        top1=69.020,
        paddleclas="VGG11",
        note=_BIAS,
    ),
    _VGG.row(
        "vgg13",
        Vgg(layers=(2, 2, 2, 2, 2)),
        params=133_047_848,
        macs_g=11.308,
        top1=69.928,
        paddleclas="VGG13",
        note=_BIAS,
    ),
    _VGG.row(
        "vgg16",
        Vgg(layers=(2, 2, 3, 3, 3)),
        params=138_357_544,
        macs_g=15.470,
        top1=71.592,
        paddleclas="VGG16",
        note=_BIAS,
    ),
    _VGG.row(
        "vgg19",
        Vgg(layers=(2, 2, 4, 4, 4)),
        params=143_667_240,
        macs_g=19.632,
        top1=72.376,
        paddleclas="VGG19",
        note=_BIAS,
    ),
    _VGG.row(
        "vgg11_bn",
        Vgg(layers=(1, 1, 2, 2, 2), batch_norm=True),
        params=132_868_840,
        macs_g=7.609,
        top1=70.370,
    ),
    _VGG.row(
        "vgg13_bn",
        Vgg(layers=(2, 2, 2, 2, 2), batch_norm=True),
        params=133_053_736,
        macs_g=11.308,
        top1=71.586,
    ),
    _VGG.row(
        "vgg16_bn",
        Vgg(layers=(2, 2, 3, 3, 3), batch_norm=True),
        params=138_365_992,
        macs_g=15.470,
        top1=73.360,
    ),
    _VGG.row(
        "vgg19_bn",
        Vgg(layers=(2, 2, 4, 4, 4), batch_norm=True),
        params=143_678_248,
        macs_g=19.632,
        top1=74.218,
    ),
    _VGG.row(
        "vgg16_bn_cifar",
        Vgg(layers=(2, 2, 3, 3, 3), batch_norm=True, head="linear"),
        params=14_728_266,
        macs_g=0.313,
        source="arXiv:1608.08710",
        input_size=32,
        eval_resize=32,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        classes=10,
        note="of CIFAR-10; the source's own network has a second fully connected layer, of 0.3 M parameters",
    ),
)
