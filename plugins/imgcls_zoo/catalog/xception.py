"""Xception, and Xception as PaddleClas has it."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import HALF, Family


@options
class Xception:
    """Chollet, 2016, Xception: deep learning with depthwise separable convolutions."""

    entry: Annotated[tuple[tuple[int, int], ...], "channels and stride of each block of the entry flow"] = (
        (128, 2),
        (256, 2),
        (728, 2),
    )
    middle: Annotated[int, Ge(0), "blocks of the middle flow"] = 8
    separable: Annotated[
        Literal["depthwise_first", "pointwise_first"],
        "order of its two convolutions; the paper's is depthwise_first, with no normalisation between",
    ] = "depthwise_first"
    shortcut_norm: Annotated[bool, "normalise the convolutions of shortcuts, as the paper does"] = True
    stem_padding: Annotated[Literal[0, 1], "of the first two convolutions; the author's code has none"] = 0
    norm_eps: Annotated[float, Gt(0), "added to the variance by batch normalisation; the author's is 0.001"] = (
        0.001
    )
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.5


_XCEPTION = Family(
    build="imgcls_zoo.xception:build",
    layouts="imgcls_zoo.xception:layouts",
    year=2016,
    paper="arXiv:1610.02357",
    source="timm, tf_in1k weights",
    input_size=299,
    eval_resize=333,
    interpolation="bicubic",
    mean=HALF,
    std=HALF,
)
_PADDLE = Family(
    build="imgcls_zoo.xception:build",
    layouts="imgcls_zoo.xception:layouts",
    year=2016,
    paper="arXiv:1610.02357",
    source="PaddleClas",
    input_size=299,
    eval_resize=320,
)
_ENTRY_71 = ((128, 2), (256, 1), (256, 2), (728, 1), (728, 2))


def _paddle(middle: int, entry: tuple[tuple[int, int], ...] = Xception().entry) -> Xception:
    return Xception(
        entry=entry,
        middle=middle,
        separable="pointwise_first",
        shortcut_norm=False,
        stem_padding=1,
        norm_eps=1e-5,
        dropout=0.0,
    )


MODELS = (
    _XCEPTION.row(
        "xception",
        Xception(),
        params=22_855_952,
        macs_g=8.40,
        top1=79.058,
        note="pooling pads both sides, as timm's; the author's code pads even sizes at the end alone. "
        "timm computes with norm_eps 1e-5, the author's code with 0.001",
    ),
    _PADDLE.row(
        "xception41_paddle", _paddle(8), params=22_919_600, macs_g=8.57, top1=79.30, paddleclas="Xception41"
    ),
    _PADDLE.row(
        "xception65_paddle", _paddle(16), params=35_866_352, macs_g=13.25, top1=81.00, paddleclas="Xception65"
    ),
    _PADDLE.row(
        "xception71_paddle",
        _paddle(16, _ENTRY_71),
        params=37_678_496,
        macs_g=16.21,
        top1=81.11,
        paddleclas="Xception71",
    ),
)
