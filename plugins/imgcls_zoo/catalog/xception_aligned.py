"""Aligned Xception."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import HALF, Family


@options
class AlignedXception:
    """Chen et al., 2018, Encoder-decoder with atrous separable convolution: DeepLab v3+'s modified Xception."""

    entry: Annotated[tuple[tuple[int, int], ...], "channels and stride of each block of the entry flow"] = (
        (128, 2),
        (256, 2),
        (728, 2),
    )
    middle: Annotated[int, Ge(0), "blocks of the middle flow"]
    dilation: Annotated[int, Ge(1), "of the last block's 3x3 convolutions"] = 1
    norm_eps: Annotated[float, Gt(0), "added to the variance by batch normalisation"] = 0.001
    drop_path: Annotated[float, Ge(0), Lt(1), "of the last block; rises linearly from 0"] = 0.0
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.0


_ALIGNED = Family(
    build="imgcls_zoo.xception_aligned:build",
    year=2018,
    paper="arXiv:1802.02611",
    source="timm, tf_in1k weights",
    input_size=299,
    eval_resize=331,
    interpolation="bicubic",
    mean=HALF,
    std=HALF,
)
_PADDLE = Family(
    build="imgcls_zoo.xception_aligned:build",
    year=2018,
    paper="arXiv:1802.02611",
    source="PaddleClas",
    input_size=299,
    eval_resize=320,
)
_ENTRY_71 = ((128, 2), (256, 1), (256, 2), (728, 1), (728, 2))

MODELS = (
    _ALIGNED.row("xception41", AlignedXception(middle=8), params=26_969_560, macs_g=9.28, top1=78.550),
    _ALIGNED.row("xception65", AlignedXception(middle=16), params=39_916_312, macs_g=13.96, top1=79.558),
    _ALIGNED.row(
        "xception71", AlignedXception(entry=_ENTRY_71, middle=16), params=42_338_736, macs_g=18.09, top1=79.920
    ),
    _PADDLE.row(
        "xception41_deeplab",
        AlignedXception(middle=8, dilation=2, dropout=0.5),
        params=26_969_560,
        macs_g=9.28,
        top1=79.55,
        paddleclas="Xception41_deeplab",
    ),
    _PADDLE.row(
        "xception65_deeplab",
        AlignedXception(middle=16, dilation=2, dropout=0.5),
        params=39_916_312,
        macs_g=13.96,
        top1=80.32,
        paddleclas="Xception65_deeplab",
    ),
)
