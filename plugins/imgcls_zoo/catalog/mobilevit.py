"""MobileViT."""

from typing import Annotated, Literal

from annotated_types import Ge, Lt

from imgcls import options
from imgcls_zoo.catalog.family import RGB, Family

BLACK: RGB = (0.0, 0.0, 0.0)
WHITE: RGB = (1.0, 1.0, 1.0)


@options
class MobileViT:
    """Mehta, Rastegari, 2021, MobileViT, arXiv:2110.02178."""

    size: Annotated[Literal["xx_small", "x_small", "small"], "the paper's Table 4"]
    transformer_dropout: Annotated[float, Ge(0), Lt(1), "after attention and after feed-forward"] = 0.1
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.1


_MOBILEVIT = Family(
    build="imgcls_zoo.mobilevit:build",
    layouts="imgcls_zoo.mobilevit:layouts",
    year=2021,
    paper="arXiv:2110.02178",
    source="top1: the paper; macs_g: measured",
    input_size=256,
    eval_resize=288,
    mean=BLACK,
    std=WHITE,
)
_NOTE = (
    "macs_g is measured: PaddleClas does not count the products of attention, and counts two operations an "
    "element of each normalisation. The authors' files expect blue first, timm's red first"
)

MODELS = (
    _MOBILEVIT.row(
        "mobilevit_xxs",
        MobileViT(size="xx_small", transformer_dropout=0.05),
        params=1_272_024,
        macs_g=0.40736,
        top1=69.0,
        paddleclas="MobileViT_XXS",
        note=_NOTE,
    ),
    _MOBILEVIT.row(
        "mobilevit_xs",
        MobileViT(size="x_small"),
        params=2_317_848,
        macs_g=1.02591,
        top1=74.8,
        paddleclas="MobileViT_XS",
        note=_NOTE,
    ),
    _MOBILEVIT.row(
        "mobilevit_s",
        MobileViT(size="small"),
        params=5_578_632,
        macs_g=2.00083,
        top1=78.4,
        paddleclas="MobileViT_S",
        note=_NOTE,
    ),
)
