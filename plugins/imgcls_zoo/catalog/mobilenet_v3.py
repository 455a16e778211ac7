"""MobileNetV3."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class MobileNetV3:
    """Howard et al., 2019, Searching for MobileNetV3, arXiv:1905.02244."""

    size: Annotated[Literal["large", "small"], "the paper's Table 1 or 2"]
    width: Annotated[float, Gt(0), "multiplier of all channels, rounded to multiples of 8"] = 1.0
    norm_epsilon: Annotated[float, Gt(0), "of batch norm"] = 0.001
    norm_momentum: Annotated[float, Gt(0), Le(1), "of batch norm: the share of a batch's statistics"] = 0.01
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.2


_MOBILENET = Family(
    build="imgcls_zoo.mobilenet_v3:build",
    layouts="imgcls_zoo.mobilenet_v3:layouts",
    year=2019,
    paper="arXiv:1905.02244",
    source="torchvision, IMAGENET1K_V1 weights",
)
_LARGE = (
    "as the authors' code; PaddleClas rounds the channels that squeeze, and where the width is not 1 those that "
    "expand, differently, and counts normalisations and activations too"
)
_SMALL = f"{_LARGE}; it has 1280 channels before the classifier, as a first version of the paper had"
_MEASURED = ". macs_g is measured: nobody publishes it for this network"
_AUTHORS = "the authors, tensorflow/models"

MODELS = (
    _MOBILENET.row(
        "mobilenet_v3_large_x0_35",
        MobileNetV3(size="large", width=0.35),
        params=2_131_832,
        macs_g=0.03947,
        source="measured",
        paddleclas="MobileNetV3_large_x0_35",
        note=_LARGE + _MEASURED,
    ),
    _MOBILENET.row(
        "mobilenet_v3_large_x0_5",
        MobileNetV3(size="large", width=0.5),
        params=2_689_520,
        macs_g=0.06925,
        source="measured",
        paddleclas="MobileNetV3_large_x0_5",
        note=_LARGE + _MEASURED,
    ),
    _MOBILENET.row(
        "mobilenet_v3_large_x0_75",
        MobileNetV3(size="large", width=0.75),
        params=3_993_528,
        macs_g=0.155,
        top1=73.3,
        source=_AUTHORS,
        paddleclas="MobileNetV3_large_x0_75",
        note=_LARGE,
    ),
    _MOBILENET.row(
        "mobilenet_v3_large",
        MobileNetV3(size="large"),
        params=5_483_032,
        macs_g=0.217,
        top1=74.042,
        paddleclas="MobileNetV3_large_x1_0",
        note=_LARGE,
    ),
    _MOBILENET.row(
        "mobilenet_v3_large_x1_25",
        MobileNetV3(size="large", width=1.25),
        params=7_551_976,
        macs_g=0.35522,
        source="measured",
        paddleclas="MobileNetV3_large_x1_25",
        note=_LARGE + _MEASURED,
    ),
    _MOBILENET.row(
        "mobilenet_v3_small_x0_35",
        MobileNetV3(size="small", width=0.35),
        params=1_358_288,
        macs_g=0.01282,
        source="measured",
        paddleclas="MobileNetV3_small_x0_35",
        note=_SMALL + _MEASURED,
    ),
    _MOBILENET.row(
        "mobilenet_v3_small_x0_5",
        MobileNetV3(size="small", width=0.5),
        params=1_592_704,
        macs_g=0.02105,
        source="measured",
        paddleclas="MobileNetV3_small_x0_5",
        note=_SMALL + _MEASURED,
    ),
    _MOBILENET.row(
        "mobilenet_v3_small_x0_75",
        MobileNetV3(size="small", width=0.75),
        params=2_041_872,
        macs_g=0.044,
        top1=65.4,
        source=_AUTHORS,
        paddleclas="MobileNetV3_small_x0_75",
        note=f"{_SMALL}, and so had the network whose top1 this is",
    ),
    _MOBILENET.row(
        "mobilenet_v3_small",
        MobileNetV3(size="small"),
        params=2_542_856,
        macs_g=0.057,
        top1=67.668,
        paddleclas="MobileNetV3_small_x1_0",
        note=_SMALL,
    ),
    _MOBILENET.row(
        "mobilenet_v3_small_x1_25",
        MobileNetV3(size="small", width=1.25),
        params=3_205_384,
        macs_g=0.0908,
        source="measured",
        paddleclas="MobileNetV3_small_x1_25",
        note=_SMALL + _MEASURED,
    ),
)
