"""PP-HGNet and PP-HGNetV2."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family

_DROPOUT = "before the classifier; as in Paddle, what scales is the evaluation, not the training"
Four = tuple[int, int, int, int]


@options
class PPHGNet:
    """PaddlePaddle, 2022: no paper; PaddleClas's documentation of PP-HGNet describes it."""

    stem: Annotated[tuple[int, int, int], "channels of the stem's convolutions"]
    widths: Annotated[Four, "channels of each layer in each stage"]
    outputs: Annotated[Four, "channels of each stage's output"]
    blocks: Annotated[Four, "blocks in each stage"]
    layers: Annotated[int, Gt(0), "layers in each block"]
    dropout: Annotated[float, Ge(0), Lt(1), _DROPOUT] = 0.0


@options
class PPHGNetV2:
    """PaddlePaddle, 2023: no paper; PaddleClas's documentation of PP-HGNetV2 describes it."""

    stem: Annotated[tuple[int, int], "channels within and after the stem"]
    widths: Annotated[Four, "channels of each layer in each stage"]
    outputs: Annotated[Four, "channels of each stage's output"]
    blocks: Annotated[Four, "blocks in each stage"]
    layers: Annotated[int, Gt(0), "layers in each block"]
    affine: Annotated[bool, "a learnable scale and shift after each activation, for the smaller networks"] = False
    dropout: Annotated[float, Ge(0), Lt(1), _DROPOUT] = 0.0


_PPHGNET = Family(
    build="imgcls_zoo.pp_hgnet:build",
    layouts="imgcls_zoo.pp_hgnet:layouts",
    year=2022,
    paper="PaddleClas's documentation",
    source="PaddleClas",
    eval_resize=232,
    interpolation="bicubic",
)
_PPHGNET_V2 = Family(
    build="imgcls_zoo.pp_hgnet:build_v2",
    layouts="imgcls_zoo.pp_hgnet:layouts",
    year=2023,
    paper="PaddleClas's documentation",
    source="PaddleClas; multiply-adds by timm",
    eval_resize=232,
    interpolation="bicubic",
)
_DISTILLED = "the accuracy is of distilled weights (SSLD, arXiv:2103.05959), the only ones published"

MODELS = (
    _PPHGNET.row(
        "pp_hgnet_tiny",
        PPHGNet(
            stem=(48, 48, 96),
            widths=(96, 128, 160, 192),
            outputs=(224, 448, 512, 768),
            blocks=(1, 1, 2, 1),
            layers=5,
        ),
        params=14_735_864,
        macs_g=4.54,
        top1=79.83,
        paddleclas="PPHGNet_tiny",
    ),
    _PPHGNET.row(
        "pp_hgnet_small",
        PPHGNet(
            stem=(64, 64, 128),
            widths=(128, 160, 192, 224),
            outputs=(256, 512, 768, 1024),
            blocks=(1, 1, 2, 1),
            layers=6,
        ),
        params=24_360_872,
        macs_g=8.53,
        top1=81.51,
        paddleclas="PPHGNet_small",
        eval_resize=236,
    ),
    _PPHGNET.row(
        "pp_hgnet_base",
        PPHGNet(
            stem=(96, 96, 160),
            widths=(192, 224, 256, 288),
            outputs=(320, 640, 960, 1280),
            blocks=(1, 2, 3, 2),
            layers=7,
            dropout=0.2,
        ),
        params=71_578_184,
        macs_g=25.14,
        top1=85.00,
        paddleclas="PPHGNet_base",
        note=_DISTILLED,
        eval_resize=236,
    ),
    _PPHGNET_V2.row(
        "pp_hgnet_v2_b0",
        PPHGNetV2(
            stem=(16, 16),
            widths=(16, 32, 64, 128),
            outputs=(64, 256, 512, 1024),
            blocks=(1, 1, 2, 1),
            layers=3,
            affine=True,
        ),
        params=5_996_550,
        macs_g=0.33,
        top1=77.77,
        paddleclas="PPHGNetV2_B0",
        note=_DISTILLED,
    ),
    _PPHGNET_V2.row(
        "pp_hgnet_v2_b1",
        PPHGNetV2(
            stem=(24, 32),
            widths=(32, 48, 96, 192),
            outputs=(64, 256, 512, 1024),
            blocks=(1, 1, 2, 1),
            layers=3,
            affine=True,
        ),
        params=6_343_158,
        macs_g=0.49,
        top1=79.18,
        paddleclas="PPHGNetV2_B1",
        note=_DISTILLED,
    ),
    _PPHGNET_V2.row(
        "pp_hgnet_v2_b2",
        PPHGNetV2(
            stem=(24, 32),
            widths=(32, 64, 128, 256),
            outputs=(96, 384, 768, 1536),
            blocks=(1, 1, 3, 1),
            layers=4,
            affine=True,
        ),
        params=11_221_356,
        macs_g=1.15,
        top1=81.74,
        paddleclas="PPHGNetV2_B2",
        note=_DISTILLED,
    ),
    _PPHGNET_V2.row(
        "pp_hgnet_v2_b3",
        PPHGNetV2(
            stem=(24, 32),
            widths=(32, 64, 128, 256),
            outputs=(128, 512, 1024, 2048),
            blocks=(1, 1, 3, 1),
            layers=5,
            affine=True,
        ),
        params=16_292_216,
        macs_g=1.78,
        top1=82.98,
        paddleclas="PPHGNetV2_B3",
        note=_DISTILLED,
    ),
    _PPHGNET_V2.row(
        "pp_hgnet_v2_b4",
        PPHGNetV2(
            stem=(32, 48),
            widths=(48, 96, 192, 384),
            outputs=(128, 512, 1024, 2048),
            blocks=(1, 1, 3, 1),
            layers=6,
        ),
        params=19_796_680,
        macs_g=2.75,
        top1=83.57,
        paddleclas="PPHGNetV2_B4",
        note=_DISTILLED,
    ),
    _PPHGNET_V2.row(
        "pp_hgnet_v2_b5",
        PPHGNetV2(
            stem=(32, 64),
            widths=(64, 128, 256, 512),
            outputs=(128, 512, 1024, 2048),
            blocks=(1, 2, 5, 2),
            layers=6,
        ),
        params=39_569_064,
        macs_g=6.56,
        top1=84.75,
        paddleclas="PPHGNetV2_B5",
        note=_DISTILLED,
    ),
    _PPHGNET_V2.row(
        "pp_hgnet_v2_b6",
        PPHGNetV2(
            stem=(48, 96),
            widths=(96, 192, 384, 768),
            outputs=(192, 512, 1024, 2048),
            blocks=(2, 3, 6, 3),
            layers=6,
        ),
        params=75_256_776,
        macs_g=16.88,
        top1=86.30,
        paddleclas="PPHGNetV2_B6",
        note=_DISTILLED,
    ),
)
