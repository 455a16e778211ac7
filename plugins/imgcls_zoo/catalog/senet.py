"""SE-ResNet, SE-ResNeXt and SENet-154: residual blocks whose branch ends in a squeeze-and-excitation."""

from typing import Literal

from imgcls_zoo.catalog.family import Family
from imgcls_zoo.catalog.resnet import ResNet, vd

_SE = Family(
    build="imgcls_zoo.resnet:build",
    layouts="imgcls_zoo.resnet:layouts",
    year=2017,
    paper="arXiv:1709.01507",
    source="PaddleClas",
)
_TIMM = "timm, results/ (multiply-adds)"
_STRIDE = (
    "the paper has the stride in the 1x1 convolution, strided = '1x1', {} billion multiply-adds and {} %; "
    "timm's network has it where this one does"
)
_FOUR = "a reduction of 16 leaves 4 of stage 1's 64 channels, as in timm's legacy_seresnet; timm's seresnet has 8"
_STEM = "no ResNeXt-D: the deep stem is twice as wide, 64, 64, 128"


def _se(
    layers: tuple[int, int, int, int],
    block: Literal["basic", "bottleneck"] = "bottleneck",
    groups: int = 1,
    width_per_group: int = 64,
) -> ResNet:
    return ResNet(block=block, layers=layers, groups=groups, width_per_group=width_per_group, squeeze=16)


MODELS = (
    _SE.row("se_resnet18", _se((2, 2, 2, 2), "basic"), params=11_778_592, macs_g=1.82, source=_TIMM, note=_FOUR),
    _SE.row("se_resnet34", _se((3, 4, 6, 3), "basic"), params=21_958_868, macs_g=3.67, source=_TIMM, note=_FOUR),
    _SE.row(
        "se_resnet50",
        _se((3, 4, 6, 3)),
        params=28_088_024,
        macs_g=4.11,
        top1=80.260,
        source="timm, seresnet50.ra2_in1k",
        interpolation="bicubic",
        note=_STRIDE.format("3.87", "76.71"),
    ),
    _SE.row(
        "se_resnet101",
        _se((3, 4, 23, 3)),
        params=49_326_872,
        macs_g=7.84,
        source=_TIMM,
        note=_STRIDE.format("7.60", "77.62"),
    ),
    _SE.row(
        "se_resnet152",
        _se((3, 8, 36, 3)),
        params=66_821_848,
        macs_g=11.57,
        source=_TIMM,
        note=_STRIDE.format("11.32", "78.43"),
    ),
    _SE.row(
        "se_resnext50_32x4d",
        _se((3, 4, 6, 3), groups=32, width_per_group=4),
        params=27_559_896,
        macs_g=4.27,
        top1=78.44,
        paddleclas="SE_ResNeXt50_32x4d",
    ),
    _SE.row(
        "se_resnext101_32x4d",
        _se((3, 4, 23, 3), groups=32, width_per_group=4),
        params=48_955_416,
        macs_g=8.03,
        top1=79.39,
        paddleclas="SE_ResNeXt101_32x4d",
    ),
    _SE.row(
        "se_resnet18_vd",
        vd((2, 2, 2, 2), "basic", squeeze=16),
        params=11_802_048,
        macs_g=2.07,
        top1=73.33,
        paddleclas="SE_ResNet18_vd",
    ),
    _SE.row(
        "se_resnet34_vd",
        vd((3, 4, 6, 3), "basic", squeeze=16),
        params=21_982_324,
        macs_g=3.93,
        top1=76.51,
        paddleclas="SE_ResNet34_vd",
    ),
    _SE.row(
        "se_resnet50_vd",
        vd((3, 4, 6, 3), squeeze=16),
        params=28_107_256,
        macs_g=4.36,
        top1=79.52,
        paddleclas="SE_ResNet50_vd",
    ),
    _SE.row(
        "se_resnext50_vd_32x4d",
        vd((3, 4, 6, 3), groups=32, width_per_group=4, squeeze=16, stem_width=128),
        params=27_687_768,
        macs_g=5.64,
        top1=80.24,
        paddleclas="SE_ResNeXt50_vd_32x4d",
        note=_STEM,
    ),
    _SE.row(
        "senet154",
        ResNet(
            block="bottleneck",
            layers=(3, 8, 36, 3),
            groups=64,
            width_per_group=4,
            squeeze=16,
            stem="deep",
            stem_width=128,
            shortcut="3x3",
            halved_first=True,
            dropout=0.2,
        ),
        params=115_088_984,
        macs_g=20.77,
        top1=81.32,
        source="timm (multiply-adds) and the authors' release (top-1)",
    ),
    _SE.row(
        "senet154_vd",
        vd((3, 8, 36, 3), groups=64, width_per_group=4, squeeze=16, stem_width=128),
        params=121_737_048,
        macs_g=24.45,
        top1=81.40,
        paddleclas="SENet154_vd",
        note="not SENet-154: the first convolution of a block is not halved, and shortcuts are pooled",
    ),
)
