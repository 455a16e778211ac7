"""ResNet and what is built on its blocks."""

from typing import Annotated, Literal

from annotated_types import Ge, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class ResNet:
    """He et al., 2015, arXiv:1512.03385, with the stride in the 3x3 convolution as in torchvision."""

    block: Annotated[Literal["basic", "bottleneck"], "two 3x3 convolutions, or 1x1, 3x3, 1x1"]
    layers: Annotated[tuple[int, int, int, int], "blocks in each stage"]
    zero_init_residual: Annotated[bool, "start each block as the identity, arXiv:1706.02677"] = False
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.0


_RESNET = Family(
    build="imgcls_zoo.resnet:build",
    layouts="imgcls_zoo.resnet:layouts",
    year=2015,
    paper="arXiv:1512.03385",
    source="torchvision, IMAGENET1K_V1 weights",
)
_SHORTCUT = "PaddleClas has a further 1x1 shortcut in stage 1; the paper and torchvision do not"

MODELS = (
    _RESNET.row(
        "resnet18",
        ResNet(block="basic", layers=(2, 2, 2, 2)),
        params=11_689_512,
        macs_g=1.814,
        top1=69.758,
        paddleclas="ResNet18",
        note=_SHORTCUT,
    ),
    _RESNET.row(
        "resnet34",
        ResNet(block="basic", layers=(3, 4, 6, 3)),
        params=21_797_672,
        macs_g=3.664,
        top1=73.314,
        paddleclas="ResNet34",
        note=_SHORTCUT,
    ),
    _RESNET.row(
        "resnet50",
        ResNet(block="bottleneck", layers=(3, 4, 6, 3)),
        params=25_557_032,
        macs_g=4.089,
        top1=76.130,
        paddleclas="ResNet50",
    ),
    _RESNET.row(
        "resnet101",
        ResNet(block="bottleneck", layers=(3, 4, 23, 3)),
        params=44_549_160,
        macs_g=7.801,
        top1=77.374,
        paddleclas="ResNet101",
    ),
    _RESNET.row(
        "resnet152",
        ResNet(block="bottleneck", layers=(3, 8, 36, 3)),
        params=60_192_808,
        macs_g=11.514,
        top1=78.312,
        paddleclas="ResNet152",
    ),
)
