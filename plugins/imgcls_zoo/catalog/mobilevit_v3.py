"""MobileViTV3."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family
from imgcls_zoo.catalog.mobilevit import BLACK, WHITE


@options
class MobileViTV3:
    """Wadekar, Chaurasia, 2022, MobileViTv3, arXiv:2209.15159: on MobileViT."""

    size: Annotated[Literal["xx_small", "x_small", "small"], "the paper's Table 1"]
    middle_depth: Annotated[int, Gt(0), "transformer layers of the fourth stage; 2 in the faster variants"] = 4
    transformer_dropout: Annotated[float, Ge(0), Lt(1), "after attention and after feed-forward"] = 0.1
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.1


@options
class SeparableMobileViTV3:
    """Wadekar, Chaurasia, 2022, MobileViTv3, arXiv:2209.15159: on MobileViTV2."""

    width: Annotated[float, Gt(0), "multiplier of all channels"] = 1.0
    transformer_dropout: Annotated[float, Ge(0), Lt(1), "after attention and after feed-forward"] = 0.0
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.0


_MOBILEVIT = Family(
    build="imgcls_zoo.mobilevit_v3:build",
    layouts="imgcls_zoo.mobilevit_v3:layouts",
    year=2022,
    paper="arXiv:2209.15159",
    source="the paper",
    input_size=256,
    eval_resize=288,
    mean=BLACK,
    std=WHITE,
)
_MEASURED = "macs_g is measured: the paper's {paper} M is counted in a way that we could not reproduce"
_MEASURED_L2 = "macs_g is measured: PaddleClas's {theirs} is counted in a way that we could not reproduce"

MODELS = (
    _MOBILEVIT.row(
        "mobilevit_v3_xxs",
        MobileViTV3(size="xx_small"),
        params=1_249_448,
        macs_g=0.33216,
        top1=70.98,
        paddleclas="MobileViTV3_XXS",
        note=_MEASURED.format(paper=289),
    ),
    _MOBILEVIT.row(
        "mobilevit_v3_xs",
        MobileViTV3(size="x_small"),
        params=2_490_360,
        macs_g=0.96662,
        top1=76.7,
        paddleclas="MobileViTV3_XS",
        note=_MEASURED.format(paper=927),
    ),
    _MOBILEVIT.row(
        "mobilevit_v3_s",
        MobileViTV3(size="small"),
        params=5_763_912,
        macs_g=1.84139,
        top1=79.3,
        paddleclas="MobileViTV3_S",
    ),
    _MOBILEVIT.row(
        "mobilevit_v3_xxs_l2",
        MobileViTV3(size="xx_small", middle_depth=2),
        params=1_145_288,
        macs_g=0.30071,
        top1=70.28,
        source="PaddleClas",
        paddleclas="MobileViTV3_XXS_L2",
        note=_MEASURED_L2.format(theirs="0.25697"),
    ),
    _MOBILEVIT.row(
        "mobilevit_v3_xs_l2",
        MobileViTV3(size="x_small", middle_depth=2),
        params=2_257_320,
        macs_g=0.89977,
        top1=76.07,
        source="PaddleClas",
        paddleclas="MobileViTV3_XS_L2",
        note=_MEASURED_L2.format(theirs="0.85282"),
    ),
    _MOBILEVIT.row(
        "mobilevit_v3_s_l2",
        MobileViTV3(size="small", middle_depth=2),
        params=5_169_864,
        macs_g=1.65196,
        top1=79.07,
        source="PaddleClas",
        paddleclas="MobileViTV3_S_L2",
    ),
    _MOBILEVIT.row(
        "mobilevit_v3_x0_5",
        SeparableMobileViTV3(width=0.5),
        params=1_429_985,
        macs_g=0.48133,
        top1=72.33,
        interpolation="bicubic",
        paddleclas="MobileViTV3_x0_5",
    ),
    _MOBILEVIT.row(
        "mobilevit_v3_x0_75",
        SeparableMobileViTV3(width=0.75),
        params=2_999_641,
        macs_g=1.06448,
        top1=76.55,
        interpolation="bicubic",
        paddleclas="MobileViTV3_x0_75",
    ),
    _MOBILEVIT.row(
        "mobilevit_v3_x1_0",
        SeparableMobileViTV3(),
        params=5_139_409,
        macs_g=1.87596,
        top1=78.64,
        interpolation="bicubic",
        paddleclas="MobileViTV3_x1_0",
    ),
)
