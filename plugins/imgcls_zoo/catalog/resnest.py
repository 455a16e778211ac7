"""ResNeSt."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class ResNeSt:
    """Zhang et al., 2020, arXiv:2004.08955; without the DropBlock that the paper's two largest networks have."""

    layers: Annotated[tuple[int, int, int, int], "blocks in each stage"]
    stem: Annotated[int, Gt(0), "channels of the stem's first two convolutions"] = 64
    radix: Annotated[int, Gt(0), "splits of each cardinal group"] = 2
    cardinality: Annotated[int, Gt(0), "groups"] = 1
    width: Annotated[int, Gt(0), "channels of a group in stage 1; those of ResNet are 64"] = 64
    pool_first: Annotated[bool, "stride before the split attention, as in the 'fast' setting, not after"] = False
    zero_init_residual: Annotated[bool, "start each block as the identity, arXiv:1706.02677"] = True
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier; the paper's is 0.2 above 200 layers"] = 0.0
    details: Annotated[
        Literal["authors", "paddle"],
        "paddle: as PaddleClas's weights need: no bias before the attention's norm, averages without padding",
    ] = "authors"


_RESNEST = Family(
    build="imgcls_zoo.resnest:build",
    layouts="imgcls_zoo.resnest:layouts",
    year=2020,
    paper="arXiv:2004.08955",
    source="the authors' release (github.com/zhanghang1989/ResNeSt)",
    interpolation="bicubic",
)
_BIAS = "PaddleClas leaves out the bias before the attention's normalisation; the authors do not"
_SIZE = f"{_BIAS}; its multiply-adds are of 224 px, these are timm's of the size the network is trained for"

MODELS = (
    _RESNEST.row(
        "resnest50_fast_1s1x64d",
        ResNeSt(layers=(3, 4, 6, 3), stem=32, radix=1, pool_first=True),
        params=26_217_896,
        macs_g=4.34,
        top1=80.33,
        paddleclas="ResNeSt50_fast_1s1x64d",
        note=_BIAS,
    ),
    _RESNEST.row(
        "resnest50_fast_4s2x40d",
        ResNeSt(layers=(3, 4, 6, 3), stem=32, radix=4, cardinality=2, width=40, pool_first=True),
        params=30_417_592,
        macs_g=4.41,
        top1=80.86,
    ),
    _RESNEST.row(
        "resnest50",
        ResNeSt(layers=(3, 4, 6, 3), stem=32),
        params=27_483_240,
        macs_g=5.39,
        top1=81.03,
        paddleclas="ResNeSt50",
        note=_BIAS,
    ),
    _RESNEST.row(
        "resnest101",
        ResNeSt(layers=(3, 4, 23, 3)),
        params=48_275_016,
        macs_g=13.38,
        top1=82.83,
        paddleclas="ResNeSt101",
        note=_SIZE,
        input_size=256,
        eval_resize=288,
    ),
    _RESNEST.row(
        "resnest200",
        ResNeSt(layers=(3, 24, 36, 3), dropout=0.2),
        params=70_201_544,
        macs_g=35.69,
        top1=83.84,
        paddleclas="ResNeSt200",
        note=_SIZE,
        input_size=320,
        eval_resize=352,
    ),
    _RESNEST.row(
        "resnest269",
        ResNeSt(layers=(3, 30, 48, 8), dropout=0.2),
        params=110_929_480,
        macs_g=77.69,
        top1=84.54,
        paddleclas="ResNeSt269",
        note=_SIZE,
        input_size=416,
        eval_resize=448,
    ),
)
