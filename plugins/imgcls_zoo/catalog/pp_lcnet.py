"""PP-LCNet."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class PPLCNet:
    """Cui et al., 2021, arXiv:2109.15099."""

    scale: Annotated[float, Gt(0), "of the channels"] = 1.0
    head_bias: Annotated[bool, "in the layer after the pooling, as timm's weights have it"] = False
    dropout: Annotated[
        float, Ge(0), Lt(1), "before the classifier; as in Paddle, what scales is the evaluation, not the training"
    ] = 0.2


_PPLCNET = Family(
    build="imgcls_zoo.pp_lcnet:build",
    layouts="imgcls_zoo.pp_lcnet:layouts",
    year=2021,
    paper="arXiv:2109.15099",
    source="PaddleClas",
)
# with those operations the counts of all eight widths are PaddleClas's within 0.1 %
_COUNT = "PaddleClas's {} G also counts two operations for each number out of batch normalisation; left out here"
_ROUNDED = "as PP-LCNet's of the same width, timm's figures being rounded to 0.05 and 0.1"

MODELS = (
    _PPLCNET.row(
        "pp_lcnet_x0_25",
        PPLCNet(scale=0.25),
        params=1_521_184,
        macs_g=0.01677,
        top1=51.86,
        paddleclas="PPLCNet_x0_25",
        note=_COUNT.format("0.01825"),
    ),
    _PPLCNET.row(
        "pp_lcnet_x0_35",
        PPLCNet(scale=0.35),
        params=1_643_090,
        macs_g=0.02736,
        top1=58.09,
        paddleclas="PPLCNet_x0_35",
        note=_COUNT.format("0.02946"),
    ),
    _PPLCNET.row(
        "pp_lcnet_x0_5",
        PPLCNet(scale=0.5),
        params=1_879_576,
        macs_g=0.04473,
        top1=63.14,
        paddleclas="PPLCNet_x0_5",
        note=_COUNT.format("0.04728"),
    ),
    _PPLCNET.row(
        "pp_lcnet_x0_75",
        PPLCNet(scale=0.75),
        params=2_357_008,
        macs_g=0.09479,
        top1=68.18,
        paddleclas="PPLCNet_x0_75",
        note=_COUNT.format("0.09882"),
    ),
    _PPLCNET.row(
        "pp_lcnet_x1_0",
        PPLCNet(scale=1.0),
        params=2_952_520,
        macs_g=0.1557,
        top1=71.32,
        paddleclas="PPLCNet_x1_0",
        note=_COUNT.format("0.16081"),
    ),
    _PPLCNET.row(
        "pp_lcnet_x1_5",
        PPLCNet(scale=1.5),
        params=4_499_832,
        macs_g=0.34186,
        top1=73.71,
        paddleclas="PPLCNet_x1_5",
    ),
    _PPLCNET.row(
        "pp_lcnet_x2_0",
        PPLCNet(scale=2.0),
        params=6_521_512,
        macs_g=0.59,
        top1=75.18,
        paddleclas="PPLCNet_x2_0",
    ),
    _PPLCNET.row(
        "pp_lcnet_x2_5",
        PPLCNet(scale=2.5),
        params=9_017_560,
        macs_g=0.906,
        top1=76.6,
        paddleclas="PPLCNet_x2_5",
    ),
    _PPLCNET.row(
        "lcnet_050",
        PPLCNet(scale=0.5, head_bias=True, dropout=0.0),
        params=1_880_856,
        macs_g=0.04473,
        top1=63.138,
        note=_ROUNDED,
        source="timm",
        interpolation="bicubic",
    ),
    _PPLCNET.row(
        "lcnet_075",
        PPLCNet(scale=0.75, head_bias=True, dropout=0.0),
        params=2_358_288,
        macs_g=0.09479,
        top1=68.786,
        note=_ROUNDED,
        source="timm",
        interpolation="bicubic",
    ),
    _PPLCNET.row(
        "lcnet_100",
        PPLCNet(scale=1.0, head_bias=True, dropout=0.0),
        params=2_953_800,
        macs_g=0.16,
        top1=72.13,
        source="timm",
        interpolation="bicubic",
    ),
)
