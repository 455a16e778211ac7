"""ResNets for images of 32x32 pixels, CIFAR's."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family
from imgcls_zoo.catalog.resnet import ResNet


@options
class CifarResNet:
    """He et al., 2015, arXiv:1512.03385, section 4.2: three stages of 16, 32 and 64 channels."""

    depth: Annotated[int, Gt(2), "weight layers, 6 n + 2 for n blocks in each stage"]
    shortcut: Annotated[
        Literal["A", "B"], "where the width grows: A pads with zeros, the paper's; B is a 1x1 convolution"
    ] = "A"
    zero_init_residual: Annotated[bool, "start each block as the identity, arXiv:1706.02677"] = False
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.0
    drop_path: Annotated[float, Ge(0), Lt(1), "of the last block, rising from 0: arXiv:1603.09382"] = 0.0


@options
class WideResNet:
    """Zagoruyko, Komodakis, 2016, arXiv:1605.07146, with normalisation and activation before each convolution."""

    depth: Annotated[int, Gt(4), "convolutions, 6 n + 4 for n blocks in each group"]
    widen_factor: Annotated[int, Gt(0), "the groups have so many times 16, 32 and 64 channels"]
    dropout: Annotated[float, Ge(0), Lt(1), "between a block's convolutions; the paper tries 0.3 too"] = 0.0


# of CIFAR-10's training images, in 0..1
_MEAN = (0.4914, 0.4822, 0.4465)
_STD = (0.2470, 0.2435, 0.2616)
_RESNET = Family(
    build="imgcls_zoo.cifar_resnet:build",
    year=2015,
    paper="arXiv:1512.03385",
    source="arXiv:1808.06866 (multiply-adds)",
    input_size=32,
    eval_resize=32,
    classes=10,
    mean=_MEAN,
    std=_STD,
)
_RESNET18 = Family(
    build="imgcls_zoo.resnet:build",
    layouts="imgcls_zoo.resnet:layouts",
    year=2015,
    paper="arXiv:1512.03385",
    source="measured here",
    input_size=32,
    eval_resize=32,
    classes=10,
    mean=_MEAN,
    std=_STD,
)
_WIDE = Family(
    build="imgcls_zoo.cifar_resnet:build_wide",
    year=2016,
    paper="arXiv:1605.07146",
    source="measured here",
    input_size=32,
    eval_resize=32,
    classes=10,
    mean=_MEAN,
    std=_STD,
)
_ACCURACY = "{} % on CIFAR-10 in the paper"
_COUNTED = "multiply-adds measured here with torch's counter: no published figure is known to us"

MODELS = (
    _RESNET.row(
        "resnet20_cifar", CifarResNet(depth=20), params=269_722, macs_g=0.0406, note=_ACCURACY.format(91.25)
    ),
    _RESNET.row(
        "resnet32_cifar", CifarResNet(depth=32), params=464_154, macs_g=0.0689, note=_ACCURACY.format(92.49)
    ),
    _RESNET.row(
        "resnet44_cifar",
        CifarResNet(depth=44),
        params=658_586,
        macs_g=0.0972,
        source="measured here",
        note=f"{_ACCURACY.format(92.83)}; {_COUNTED}",
    ),
    _RESNET.row(
        "resnet56_cifar", CifarResNet(depth=56), params=853_018, macs_g=0.125, note=_ACCURACY.format(93.03)
    ),
    _RESNET.row(
        "resnet110_cifar", CifarResNet(depth=110), params=1_727_962, macs_g=0.253, note=_ACCURACY.format(93.57)
    ),
    _RESNET18.row(
        "resnet18_cifar",
        ResNet(block="basic", layers=(2, 2, 2, 2), stem="3x3"),
        params=11_173_962,
        macs_g=0.5554,
        note=f"resnet18 with the stem of the paper's section 4.2; {_COUNTED}",
    ),
    _WIDE.row(
        "wide_resnet16_8_cifar",
        WideResNet(depth=16, widen_factor=8),
        params=10_961_370,
        macs_g=1.548,
        note=f"{_ACCURACY.format(95.73)}; {_COUNTED}",
    ),
    _WIDE.row(
        "wide_resnet28_10_cifar",
        WideResNet(depth=28, widen_factor=10),
        params=36_479_194,
        macs_g=5.243,
        note=f"{_ACCURACY.format(96.00)}; {_COUNTED}",
    ),
)
