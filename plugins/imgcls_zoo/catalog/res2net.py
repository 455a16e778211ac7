"""Res2Net."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class Res2Net:
    """Gao et al., 2019, arXiv:1904.01169."""

    layers: Annotated[tuple[int, int, int, int], "blocks in each stage"]
    width: Annotated[int, Gt(0), "channels of a group in stage 1"] = 26
    scale: Annotated[int, Gt(1), "groups of a block"] = 4
    vd: Annotated[bool, "deep stem, average pooling in the shortcut, arXiv:1812.01187; the authors' v1b"] = False
    zero_init_residual: Annotated[bool, "start each block as the identity, arXiv:1706.02677"] = False
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.0
    details: Annotated[
        Literal["authors", "paddle"],
        "paddle: as PaddleClas's weights need: stage 1's first block is like the others, averages without padding",
    ] = "authors"


_RES2NET = Family(
    build="imgcls_zoo.res2net:build",
    layouts="imgcls_zoo.res2net:layouts",
    year=2019,
    paper="arXiv:1904.01169",
    source="the authors' release (github.com/Res2Net/Res2Net-PretrainedModels)",
)
_PADDLE = "PaddleClas"
_TIMM = "timm, of the authors' weights"

MODELS = (
    _RES2NET.row(
        "res2net50_26w_4s",
        Res2Net(layers=(3, 4, 6, 3)),
        params=25_699_120,
        macs_g=4.2,
        top1=77.99,
        paddleclas="Res2Net50_26w_4s",
    ),
    _RES2NET.row(
        "res2net50_14w_8s",
        Res2Net(layers=(3, 4, 6, 3), width=14, scale=8),
        params=25_059_816,
        macs_g=4.2,
        top1=78.14,
        paddleclas="Res2Net50_14w_8s",
    ),
    _RES2NET.row(
        "res2net50_v1b_26w_4s",
        Res2Net(layers=(3, 4, 6, 3), vd=True),
        params=25_718_352,
        macs_g=4.52,
        top1=80.28,
        source=_TIMM,
    ),
    _RES2NET.row(
        "res2net101_v1b_26w_4s",
        Res2Net(layers=(3, 4, 23, 3), vd=True),
        params=45_225_920,
        macs_g=8.35,
        top1=81.236,
        source=_TIMM,
    ),
    _RES2NET.row(
        "res2net50_vd_26w_4s",
        Res2Net(layers=(3, 4, 6, 3), vd=True, details="paddle"),
        params=25_718_352,
        macs_g=4.52,
        top1=79.75,
        paddleclas="Res2Net50_vd_26w_4s",
        source=_PADDLE,
    ),
    _RES2NET.row(
        "res2net101_vd_26w_4s",
        Res2Net(layers=(3, 4, 23, 3), vd=True, details="paddle"),
        params=45_225_920,
        macs_g=8.35,
        top1=80.64,
        paddleclas="Res2Net101_vd_26w_4s",
        source=_PADDLE,
    ),
    _RES2NET.row(
        "res2net200_vd_26w_4s",
        Res2Net(layers=(3, 12, 48, 3), vd=True, details="paddle"),
        params=76_215_536,
        macs_g=15.77,
        top1=81.21,
        paddleclas="Res2Net200_vd_26w_4s",
        source=_PADDLE,
    ),
)
