"""ResNeXt: ResNet's bottlenecks with grouped convolutions."""

from imgcls_zoo.catalog.family import Family
from imgcls_zoo.catalog.resnet import ResNet, vd

_NEXT = Family(
    build="imgcls_zoo.resnet:build",
    layouts="imgcls_zoo.resnet:layouts",
    year=2016,
    paper="arXiv:1611.05431",
    source="PaddleClas",
)
_WSL = Family(
    build="imgcls_zoo.resnet:build",
    layouts="imgcls_zoo.resnet:layouts",
    year=2018,
    paper="arXiv:1805.00932",
    source="PaddleClas, the authors' weights, pre-trained on 940 million images of Instagram",
)
_50, _101, _152 = (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)


def _next(layers: tuple[int, int, int, int], groups: int, width: int) -> ResNet:
    return ResNet(block="bottleneck", layers=layers, groups=groups, width_per_group=width)


MODELS = (
    _NEXT.row(
        "resnext50_32x4d",
        _next(_50, 32, 4),
        params=25_028_904,
        macs_g=4.230,
        top1=77.618,
        source="torchvision, IMAGENET1K_V1 weights",
        paddleclas="ResNeXt50_32x4d",
    ),
    _NEXT.row(
        "resnext101_32x8d",
        _next(_101, 32, 8),
        params=88_791_336,
        macs_g=16.414,
        top1=79.312,
        source="torchvision, IMAGENET1K_V1 weights",
    ),
    _NEXT.row(
        "resnext101_64x4d",
        _next(_101, 64, 4),
        params=83_455_272,
        macs_g=15.460,
        top1=83.246,
        eval_resize=232,
        source="torchvision, IMAGENET1K_V1 weights",
        paddleclas="ResNeXt101_64x4d",
    ),
    _NEXT.row(
        "resnext50_64x4d",
        _next(_50, 64, 4),
        params=45_192_488,
        macs_g=8.02,
        top1=78.43,
        paddleclas="ResNeXt50_64x4d",
    ),
    _NEXT.row(
        "resnext101_32x4d",
        _next(_101, 32, 4),
        params=44_177_704,
        macs_g=8.01,
        top1=78.65,
        paddleclas="ResNeXt101_32x4d",
    ),
    _NEXT.row(
        "resnext152_32x4d",
        _next(_152, 32, 4),
        params=59_951_400,
        macs_g=11.76,
        top1=78.98,
        paddleclas="ResNeXt152_32x4d",
    ),
    _NEXT.row(
        "resnext152_64x4d",
        _next(_152, 64, 4),
        params=114_971_944,
        macs_g=23.03,
        top1=79.51,
        paddleclas="ResNeXt152_64x4d",
    ),
    _NEXT.row(
        "resnext50_vd_32x4d",
        vd(_50, groups=32, width_per_group=4),
        params=25_048_136,
        macs_g=4.50,
        top1=79.56,
        paddleclas="ResNeXt50_vd_32x4d",
    ),
    _NEXT.row(
        "resnext50_vd_64x4d",
        vd(_50, groups=64, width_per_group=4),
        params=45_211_720,
        macs_g=8.26,
        top1=80.12,
        paddleclas="ResNeXt50_vd_64x4d",
    ),
    _NEXT.row(
        "resnext101_vd_32x4d",
        vd(_101, groups=32, width_per_group=4),
        params=44_196_936,
        macs_g=8.25,
        top1=80.33,
        paddleclas="ResNeXt101_vd_32x4d",
    ),
    _NEXT.row(
        "resnext101_vd_64x4d",
        vd(_101, groups=64, width_per_group=4),
        params=83_474_504,
        macs_g=15.76,
        top1=80.78,
        paddleclas="ResNeXt101_vd_64x4d",
    ),
    _NEXT.row(
        "resnext152_vd_32x4d",
        vd(_152, groups=32, width_per_group=4),
        params=59_970_632,
        macs_g=12.01,
        top1=80.72,
        paddleclas="ResNeXt152_vd_32x4d",
    ),
    _NEXT.row(
        "resnext152_vd_64x4d",
        vd(_152, groups=64, width_per_group=4),
        params=114_991_176,
        macs_g=23.27,
        top1=81.08,
        paddleclas="ResNeXt152_vd_64x4d",
    ),
    _WSL.row(
        "resnext101_32x8d_wsl",
        _next(_101, 32, 8),
        params=88_791_336,
        macs_g=16.48,
        top1=82.55,
        paddleclas="ResNeXt101_32x8d_wsl",
    ),
    _WSL.row(
        "resnext101_32x16d_wsl",
        _next(_101, 32, 16),
        params=194_026_792,
        macs_g=36.26,
        top1=84.24,
        paddleclas="ResNeXt101_32x16d_wsl",
    ),
    _WSL.row(
        "resnext101_32x32d_wsl",
        _next(_101, 32, 32),
        params=468_530_472,
        macs_g=87.28,
        top1=84.97,
        paddleclas="ResNeXt101_32x32d_wsl",
    ),
    _WSL.row(
        "resnext101_32x48d_wsl",
        _next(_101, 32, 48),
        params=828_411_176,
        macs_g=153.57,
        top1=85.37,
        paddleclas="ResNeXt101_32x48d_wsl",
    ),
    _WSL.row(
        "fix_resnext101_32x48d_wsl",
        _next(_101, 32, 48),
        params=828_411_176,
        macs_g=313.41,
        top1=86.26,
        paddleclas="Fix_ResNeXt101_32x48d_wsl",
        year=2019,
        paper="arXiv:1906.06423",
        source="PaddleClas, the authors' weights: those of resnext101_32x48d_wsl, tuned at 320 px",
        input_size=320,
        eval_resize=365,  # 256 / 224 * 320, as in the authors' code
    ),
)
