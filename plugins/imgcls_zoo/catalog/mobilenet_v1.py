"""MobileNet, the first."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class MobileNetV1:
    """Howard et al., 2017, MobileNets, arXiv:1704.04861."""

    width: Annotated[float, Gt(0), "multiplier of all channels"] = 1.0
    activation: Annotated[Literal["relu", "relu6"], "relu6 in the authors' later code and in timm"] = "relu"
    norm_epsilon: Annotated[float, Gt(0), "of batch norm; 0.001 in the authors' code"] = 1e-5
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.0


_MOBILENET = Family(
    build="imgcls_zoo.mobilenet_v1:build",
    layouts="imgcls_zoo.mobilenet_v1:layouts",
    year=2017,
    paper="arXiv:1704.04861",
    source="the paper, Table 6",
)
_COUNTED = "PaddleClas counts two operations an element of each normalisation too"

MODELS = (
    _MOBILENET.row(
        "mobilenet_v1_x0_25",
        MobileNetV1(width=0.25),
        params=470_072,
        macs_g=0.041,
        top1=50.6,
        paddleclas="MobileNetV1_x0_25",
        note=_COUNTED,
    ),
    _MOBILENET.row(
        "mobilenet_v1_x0_5",
        MobileNetV1(width=0.5),
        params=1_331_592,
        macs_g=0.149,
        top1=63.7,
        paddleclas="MobileNetV1_x0_5",
        note=_COUNTED,
    ),
    _MOBILENET.row(
        "mobilenet_v1_x0_75",
        MobileNetV1(width=0.75),
        params=2_585_560,
        macs_g=0.325,
        top1=68.4,
        paddleclas="MobileNetV1_x0_75",
        note=_COUNTED,
    ),
    _MOBILENET.row(
        "mobilenet_v1_x1_0",
        MobileNetV1(),
        params=4_231_976,
        macs_g=0.569,
        top1=70.6,
        paddleclas="MobileNetV1",
    ),
)
