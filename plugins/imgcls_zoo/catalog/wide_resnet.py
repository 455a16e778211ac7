"""Wide ResNet: ResNet's bottlenecks with 3x3 convolutions twice as wide."""

from imgcls_zoo.catalog.family import Family
from imgcls_zoo.catalog.resnet import ResNet

_WIDE = Family(
    build="imgcls_zoo.resnet:build",
    layouts="imgcls_zoo.resnet:layouts",
    year=2016,
    paper="arXiv:1605.07146",
    source="torchvision, IMAGENET1K_V1 weights",
)

MODELS = (
    _WIDE.row(
        "wide_resnet50_2",
        ResNet(block="bottleneck", layers=(3, 4, 6, 3), width_per_group=128),
        params=68_883_240,
        macs_g=11.398,
        top1=78.468,
    ),
    _WIDE.row(
        "wide_resnet101_2",
        ResNet(block="bottleneck", layers=(3, 4, 23, 3), width_per_group=128),
        params=126_886_696,
        macs_g=22.753,
        top1=78.848,
    ),
)
