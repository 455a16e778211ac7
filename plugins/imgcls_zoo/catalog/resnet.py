"""ResNet, with the deep stem and pooled shortcut of "vc" and "vd" among its options."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class ResNet:
    """He et al., 2015, arXiv:1512.03385, with the stride in the 3x3 convolution as in torchvision."""

    block: Annotated[Literal["basic", "bottleneck"], "two 3x3 convolutions, or 1x1, 3x3, 1x1"]
    layers: Annotated[tuple[int, int, int, int], "blocks in each stage"]
    groups: Annotated[int, Gt(0), "of a bottleneck's 3x3 convolution: the cardinality of arXiv:1611.05431"] = 1
    width_per_group: Annotated[int, Gt(0), "channels a group of that convolution has in the first stage"] = 64
    squeeze: Annotated[int, Ge(0), "reduction of a squeeze-and-excitation, 16 in arXiv:1709.01507; 0: none"] = 0
    stem: Annotated[
        Literal["7x7", "deep", "3x3"],
        "deep: three 3x3 convolutions, arXiv:1812.01187; 3x3: for images of 32 pixels, without stride and pooling",
    ] = "7x7"
    stem_width: Annotated[int, Gt(0), "channels after the stem; within a deep one half as many"] = 64
    shortcut: Annotated[
        Literal["1x1", "pooled", "3x3"],
        "where the stride is 2: pooled is a 2x2 average before the 1x1, arXiv:1812.01187; 3x3 is SENet-154's",
    ] = "1x1"
    projected_first: Annotated[bool, "a 1x1 shortcut in stage 1 where widths agree too, as PaddleClas has it"] = (
        False
    )
    halved_first: Annotated[bool, "half as many channels after a bottleneck's first convolution: SENet-154"] = (
        False
    )
    strided: Annotated[Literal["3x3", "1x1"], "a bottleneck's convolution with the stride; the papers' is 1x1"] = (
        "3x3"
    )
    zero_init_residual: Annotated[bool, "start each block as the identity, arXiv:1706.02677"] = False
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.0
    drop_path: Annotated[float, Ge(0), Lt(1), "of the last block, rising from 0: arXiv:1603.09382"] = 0.0


_RESNET = Family(
    build="imgcls_zoo.resnet:build",
    layouts="imgcls_zoo.resnet:layouts",
    year=2015,
    paper="arXiv:1512.03385",
    source="torchvision, IMAGENET1K_V1 weights",
)
# the paper is of ResNet-50-D; the others and the letters "vc", "vd" are PaddleClas's
_VD = Family(
    build="imgcls_zoo.resnet:build",
    layouts="imgcls_zoo.resnet:layouts",
    year=2018,
    paper="arXiv:1812.01187",
    source="PaddleClas",
)
_SHORTCUT = "PaddleClas has a further 1x1 shortcut in stage 1; the paper and torchvision do not"


def vd(
    layers: tuple[int, int, int, int],
    block: Literal["basic", "bottleneck"] = "bottleneck",
    groups: int = 1,
    width_per_group: int = 64,
    squeeze: int = 0,
    stem_width: int = 64,
) -> ResNet:
    """Return the options of a network with deep stem and pooled shortcuts, as PaddleClas trains it."""
    return ResNet(
        block=block,
        layers=layers,
        groups=groups,
        width_per_group=width_per_group,
        squeeze=squeeze,
        stem="deep",
        stem_width=stem_width,
        shortcut="pooled",
        projected_first=block == "basic",
    )


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
    _VD.row(
        "resnet50_vc",
        ResNet(block="bottleneck", layers=(3, 4, 6, 3), stem="deep"),
        params=25_576_264,
        macs_g=4.35,
        top1=78.35,
        paddleclas="ResNet50_vc",
    ),
    _VD.row(
        "resnet18_vd",
        vd((2, 2, 2, 2), "basic"),
        params=11_712_968,
        macs_g=2.07,
        top1=72.26,
        paddleclas="ResNet18_vd",
    ),
    _VD.row(
        "resnet34_vd",
        vd((3, 4, 6, 3), "basic"),
        params=21_821_128,
        macs_g=3.93,
        top1=75.98,
        paddleclas="ResNet34_vd",
    ),
    _VD.row("resnet50_vd", vd((3, 4, 6, 3)), params=25_576_264, macs_g=4.35, top1=79.12, paddleclas="ResNet50_vd"),
    _VD.row(
        "resnet101_vd", vd((3, 4, 23, 3)), params=44_568_392, macs_g=8.08, top1=80.17, paddleclas="ResNet101_vd"
    ),
    _VD.row(
        "resnet152_vd", vd((3, 8, 36, 3)), params=60_212_040, macs_g=11.8, top1=80.59, paddleclas="ResNet152_vd"
    ),
    _VD.row(
        "resnet200_vd",
        vd((3, 12, 48, 3)),
        params=74_738_504,
        macs_g=15.3,
        top1=80.93,
        paddleclas="ResNet200_vd",
        note="stages 2 and 3 have 12 and 48 blocks as in PaddleClas; 24 and 36 in arXiv:1603.05027 and timm",
    ),
)
