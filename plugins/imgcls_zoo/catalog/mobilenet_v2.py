"""MobileNetV2."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class MobileNetV2:
    """Sandler et al., 2018, MobileNetV2, arXiv:1801.04381."""

    width: Annotated[float, Gt(0), "multiplier of all channels, rounded to multiples of 8"] = 1.0
    norm_epsilon: Annotated[float, Gt(0), "of batch norm; 0.001 in the authors' code"] = 1e-5
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.2


_MOBILENET = Family(
    build="imgcls_zoo.mobilenet_v2:build",
    layouts="imgcls_zoo.mobilenet_v2:layouts",
    year=2018,
    paper="arXiv:1801.04381",
    source="the authors, tensorflow/models",
)
_PADDLE = (
    "as in the paper; PaddleClas expands in the first block too, does not round channels to multiples of 8, "
    "and counts two operations an element of each normalisation"
)
_MEASURED = f"{_PADDLE}. Nobody publishes this network: macs_g is measured, top1 is PaddleClas's"

MODELS = (
    _MOBILENET.row(
        "mobilenet_v2_x0_25",
        MobileNetV2(width=0.25),
        params=1_519_112,
        macs_g=0.0372,
        source="measured",
        paddleclas="MobileNetV2_x0_25",
        note=f"{_PADDLE}. Nobody publishes this network: macs_g is measured",
    ),
    _MOBILENET.row(
        "mobilenet_v2_x0_5",
        MobileNetV2(width=0.5),
        params=1_968_680,
        macs_g=0.097,
        top1=65.4,
        paddleclas="MobileNetV2_x0_5",
        note=_PADDLE,
    ),
    _MOBILENET.row(
        "mobilenet_v2_x0_75",
        MobileNetV2(width=0.75),
        params=2_636_424,
        macs_g=0.209,
        top1=69.8,
        paddleclas="MobileNetV2_x0_75",
        note=_PADDLE,
    ),
    _MOBILENET.row(
        "mobilenet_v2",
        MobileNetV2(),
        params=3_504_872,
        macs_g=0.301,
        top1=71.878,
        source="torchvision, IMAGENET1K_V1 weights",
        paddleclas="MobileNetV2",
        note=_PADDLE,
    ),
    _MOBILENET.row("mobilenet_v2_x1_4", MobileNetV2(width=1.4), params=6_108_776, macs_g=0.582, top1=75.0),
    _MOBILENET.row(
        "mobilenet_v2_x1_5",
        MobileNetV2(width=1.5),
        params=6_858_152,
        macs_g=0.67283,
        top1=74.12,
        source="PaddleClas",
        paddleclas="MobileNetV2_x1_5",
        note=_MEASURED,
    ),
    _MOBILENET.row(
        "mobilenet_v2_x2_0",
        MobileNetV2(width=2.0),
        params=11_258_088,
        macs_g=1.13743,
        top1=75.23,
        source="PaddleClas",
        paddleclas="MobileNetV2_x2_0",
        note=_MEASURED,
    ),
)
