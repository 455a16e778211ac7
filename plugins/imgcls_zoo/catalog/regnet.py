"""RegNet X and Y."""

from dataclasses import replace
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class RegNet:
    """Radosavovic, Kosaraju, Girshick, He, Dollar, 2020, Designing network design spaces, arXiv:2003.13678."""

    depth: Annotated[int, Gt(0), "blocks, d in the paper"]
    w_0: Annotated[int, Gt(0), "width that the line begins at"]
    w_a: Annotated[float, Ge(0), "slope of the line of widths"]
    w_m: Annotated[float, Gt(1), "widths are w_0 times a power of it"]
    group_width: Annotated[int, Gt(0), "channels in each group of the 3x3 convolutions"]
    squeeze_ratio: Annotated[float, Ge(0), "squeeze-and-excitation's, of a block's input: 0 in X, 0.25 in Y"] = 0.0
    rounding: Annotated[
        Literal["nearest", "at_least_90_percent"],
        "of a stage's width to whole groups: nearest is the paper's, the other torchvision's",
    ] = "nearest"
    zero_init_residual: Annotated[bool, "start each block as the identity, arXiv:1706.02677"] = False


_PYCLS = Family(
    build="imgcls_zoo.regnet:build",
    layouts="imgcls_zoo.regnet:layouts",
    year=2020,
    paper="arXiv:2003.13678",
    source="the authors' pycls, MODEL_ZOO.md",
)
_TORCHVISION = replace(_PYCLS, source="torchvision, IMAGENET1K_V1 weights")
_WIDER = (
    "torchvision's network: where the nearest whole number of groups is below 90 % of a stage's width, it has one "
    "group more than the paper's, which is the row that ends in _pycls"
)
_NEAREST = "the paper's network, of which torchvision has a wider form without the ending _pycls"

MODELS = (
    _PYCLS.row(
        "regnet_x_200mf",
        RegNet(depth=13, w_0=24, w_a=36.44, w_m=2.49, group_width=8),
        params=2_684_792,
        macs_g=0.2,
        top1=68.9,
        paddleclas="RegNetX_200MF",
    ),
    _TORCHVISION.row(
        "regnet_x_400mf",
        RegNet(depth=22, w_0=24, w_a=24.48, w_m=2.54, group_width=16, rounding="at_least_90_percent"),
        params=5_495_976,
        macs_g=0.414,
        top1=72.834,
        note=_WIDER,
    ),
    _PYCLS.row(
        "regnet_x_400mf_pycls",
        RegNet(depth=22, w_0=24, w_a=24.48, w_m=2.54, group_width=16),
        params=5_157_512,
        macs_g=0.4,
        top1=72.7,
        paddleclas="RegNetX_400MF",
        note=_NEAREST,
    ),
    _PYCLS.row(
        "regnet_x_600mf",
        RegNet(depth=16, w_0=48, w_a=36.97, w_m=2.24, group_width=24),
        params=6_196_040,
        macs_g=0.6,
        top1=74.1,
        paddleclas="RegNetX_600MF",
    ),
    _TORCHVISION.row(
        "regnet_x_800mf",
        RegNet(depth=16, w_0=56, w_a=35.73, w_m=2.28, group_width=16),
        params=7_259_656,
        macs_g=0.8,
        top1=75.212,
        paddleclas="RegNetX_800MF",
    ),
    _TORCHVISION.row(
        "regnet_x_1_6gf",
        RegNet(depth=18, w_0=80, w_a=34.01, w_m=2.25, group_width=24),
        params=9_190_136,
        macs_g=1.603,
        top1=77.04,
        paddleclas="RegNetX_1600MF",
    ),
    _TORCHVISION.row(
        "regnet_x_3_2gf",
        RegNet(depth=25, w_0=88, w_a=26.31, w_m=2.25, group_width=48),
        params=15_296_552,
        macs_g=3.177,
        top1=78.364,
        paddleclas="RegNetX_3200MF",
    ),
    _PYCLS.row(
        "regnet_x_4gf",
        RegNet(depth=23, w_0=96, w_a=38.65, w_m=2.43, group_width=40),
        params=22_118_248,
        macs_g=4.0,
        top1=78.6,
        paddleclas="RegNetX_4GF",
    ),
    _PYCLS.row(
        "regnet_x_6_4gf",
        RegNet(depth=17, w_0=184, w_a=60.83, w_m=2.07, group_width=56),
        params=26_209_256,
        macs_g=6.5,
        top1=79.2,
        paddleclas="RegNetX_6400MF",
    ),
    _TORCHVISION.row(
        "regnet_x_8gf",
        RegNet(depth=23, w_0=80, w_a=49.56, w_m=2.88, group_width=120),
        params=39_572_648,
        macs_g=7.995,
        top1=79.344,
        paddleclas="RegNetX_8GF",
    ),
    _PYCLS.row(
        "regnet_x_12gf",
        RegNet(depth=19, w_0=168, w_a=73.36, w_m=2.37, group_width=112),
        params=46_106_056,
        macs_g=12.1,
        top1=79.7,
        paddleclas="RegNetX_12GF",
    ),
    _TORCHVISION.row(
        "regnet_x_16gf",
        RegNet(depth=22, w_0=216, w_a=55.59, w_m=2.1, group_width=128),
        params=54_278_536,
        macs_g=15.941,
        top1=80.058,
        paddleclas="RegNetX_16GF",
    ),
    _TORCHVISION.row(
        "regnet_x_32gf",
        RegNet(depth=23, w_0=320, w_a=69.86, w_m=2.0, group_width=168),
        params=107_811_560,
        macs_g=31.736,
        top1=80.622,
        paddleclas="RegNetX_32GF",
    ),
    _PYCLS.row(
        "regnet_y_200mf",
        RegNet(depth=13, w_0=24, w_a=36.44, w_m=2.49, group_width=8, squeeze_ratio=0.25),
        params=3_162_996,
        macs_g=0.2,
        top1=70.4,
    ),
    _TORCHVISION.row(
        "regnet_y_400mf",
        RegNet(depth=16, w_0=48, w_a=27.89, w_m=2.09, group_width=8, squeeze_ratio=0.25),
        params=4_344_144,
        macs_g=0.402,
        top1=74.046,
    ),
    _PYCLS.row(
        "regnet_y_600mf",
        RegNet(depth=15, w_0=48, w_a=32.54, w_m=2.32, group_width=16, squeeze_ratio=0.25),
        params=6_055_160,
        macs_g=0.6,
        top1=75.5,
    ),
    _TORCHVISION.row(
        "regnet_y_800mf",
        RegNet(
            depth=14,
            w_0=56,
            w_a=38.84,
            w_m=2.4,
            group_width=16,
            squeeze_ratio=0.25,
            rounding="at_least_90_percent",
        ),
        params=6_432_512,
        macs_g=0.834,
        top1=76.42,
        note=_WIDER,
    ),
    _PYCLS.row(
        "regnet_y_800mf_pycls",
        RegNet(depth=14, w_0=56, w_a=38.84, w_m=2.4, group_width=16, squeeze_ratio=0.25),
        params=6_263_168,
        macs_g=0.8,
        top1=76.3,
        note=_NEAREST,
    ),
    _TORCHVISION.row(
        "regnet_y_1_6gf",
        RegNet(depth=27, w_0=48, w_a=20.71, w_m=2.65, group_width=24, squeeze_ratio=0.25),
        params=11_202_430,
        macs_g=1.612,
        top1=77.95,
    ),
    _TORCHVISION.row(
        "regnet_y_3_2gf",
        RegNet(depth=21, w_0=80, w_a=42.63, w_m=2.66, group_width=24, squeeze_ratio=0.25),
        params=19_436_338,
        macs_g=3.176,
        top1=78.948,
    ),
    _PYCLS.row(
        "regnet_y_4gf",
        RegNet(depth=22, w_0=96, w_a=31.41, w_m=2.24, group_width=64, squeeze_ratio=0.25),
        params=20_646_656,
        macs_g=4.0,
        top1=79.4,
    ),
    _PYCLS.row(
        "regnet_y_6_4gf",
        RegNet(depth=25, w_0=112, w_a=33.22, w_m=2.27, group_width=72, squeeze_ratio=0.25),
        params=30_583_252,
        macs_g=6.4,
        top1=79.9,
    ),
    _TORCHVISION.row(
        "regnet_y_8gf",
        RegNet(
            depth=17,
            w_0=192,
            w_a=76.82,
            w_m=2.19,
            group_width=56,
            squeeze_ratio=0.25,
            rounding="at_least_90_percent",
        ),
        params=39_381_472,
        macs_g=8.473,
        top1=80.032,
        note=_WIDER,
    ),
    _PYCLS.row(
        "regnet_y_8gf_pycls",
        RegNet(depth=17, w_0=192, w_a=76.82, w_m=2.19, group_width=56, squeeze_ratio=0.25),
        params=39_180_068,
        macs_g=8.0,
        top1=79.9,
        note=_NEAREST,
    ),
    _PYCLS.row(
        "regnet_y_12gf",
        RegNet(depth=19, w_0=168, w_a=73.36, w_m=2.37, group_width=112, squeeze_ratio=0.25),
        params=51_822_544,
        macs_g=12.1,
        top1=80.3,
    ),
    _TORCHVISION.row(
        "regnet_y_16gf",
        RegNet(depth=18, w_0=200, w_a=106.23, w_m=2.48, group_width=112, squeeze_ratio=0.25),
        params=83_590_140,
        macs_g=15.912,
        top1=80.424,
    ),
    _TORCHVISION.row(
        "regnet_y_32gf",
        RegNet(depth=20, w_0=232, w_a=115.89, w_m=2.53, group_width=232, squeeze_ratio=0.25),
        params=145_046_770,
        macs_g=32.28,
        top1=80.878,
    ),
    _TORCHVISION.row(
        "regnet_y_128gf",
        RegNet(depth=27, w_0=456, w_a=160.83, w_m=2.52, group_width=264, squeeze_ratio=0.25),
        params=644_812_894,
        macs_g=127.518,
        top1=86.068,
        source="torchvision, IMAGENET1K_SWAG_LINEAR_V1 weights",
        eval_resize=224,
        interpolation="bicubic",
    ),
)
