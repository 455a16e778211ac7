"""MobileViTV2."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family
from imgcls_zoo.catalog.mobilevit import BLACK, WHITE


@options
class MobileViTV2:
    """Mehta, Rastegari, 2022, Separable self-attention for mobile vision transformers, arXiv:2206.02680."""

    width: Annotated[float, Gt(0), "multiplier of all channels"] = 1.0
    transformer_dropout: Annotated[float, Ge(0), Lt(1), "after attention and after feed-forward"] = 0.0
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.0


_MOBILEVIT = Family(
    build="imgcls_zoo.mobilevit_v2:build",
    layouts="imgcls_zoo.mobilevit_v2:layouts",
    year=2022,
    paper="arXiv:2206.02680",
    source="top1: the authors, ml-cvnets; macs_g: PaddleClas",
    input_size=256,
    eval_resize=288,
    interpolation="bicubic",
    mean=BLACK,
    std=WHITE,
)
_MEASURED = "macs_g is measured: the paper rounds it to a tenth"
_COUNTED = "macs_g is measured: PaddleClas's 0.48046 counts normalisations too"

MODELS = (
    _MOBILEVIT.row(
        "mobilevit_v2_x0_5",
        MobileViTV2(width=0.5),
        params=1_370_593,
        macs_g=0.46459,
        top1=70.18,
        paddleclas="MobileViTV2_x0_5",
        note=_COUNTED,
    ),
    _MOBILEVIT.row(
        "mobilevit_v2_x0_75",
        MobileViTV2(width=0.75),
        params=2_866_009,
        macs_g=1.02798,
        top1=75.56,
        note=_MEASURED,
    ),
    _MOBILEVIT.row(
        "mobilevit_v2_x1_0",
        MobileViTV2(),
        params=4_901_841,
        macs_g=1.84381,
        top1=78.09,
        paddleclas="MobileViTV2_x1_0",
    ),
    _MOBILEVIT.row(
        "mobilevit_v2_x1_25",
        MobileViTV2(width=1.25),
        params=7_478_089,
        macs_g=2.81693,
        top1=79.65,
        note=_MEASURED,
    ),
    _MOBILEVIT.row(
        "mobilevit_v2_x1_5",
        MobileViTV2(width=1.5),
        params=10_594_753,
        macs_g=4.09007,
        top1=80.38,
        paddleclas="MobileViTV2_x1_5",
    ),
    _MOBILEVIT.row(
        "mobilevit_v2_x1_75",
        MobileViTV2(width=1.75),
        params=14_251_833,
        macs_g=5.48877,
        top1=80.84,
        note=_MEASURED,
    ),
    _MOBILEVIT.row(
        "mobilevit_v2_x2_0",
        MobileViTV2(width=2.0),
        params=18_449_329,
        macs_g=7.21923,
        top1=81.17,
        paddleclas="MobileViTV2_x2_0",
    ),
)
