"""DenseNet."""

from typing import Annotated

from annotated_types import Ge, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class DenseNet:
    """Huang, Liu, van der Maaten, Weinberger, 2016, Densely connected convolutional networks: DenseNet-BC."""

    layers: Annotated[tuple[int, int, int, int], "of each dense block"]
    growth: Annotated[int, Ge(1), "channels that a layer adds: k in the paper"] = 32
    stem: Annotated[int, Ge(1), "channels of the first convolution"] = 64
    dropout: Annotated[float, Ge(0), Lt(1), "after each dense layer; the paper has 0.2 where data is little"] = 0.0


_DENSENET = Family(
    build="imgcls_zoo.densenet:build",
    layouts="imgcls_zoo.densenet:layouts",
    year=2016,
    paper="arXiv:1608.06993",
    source="torchvision, IMAGENET1K_V1 weights",
)

MODELS = (
    _DENSENET.row(
        "densenet121",
        DenseNet(layers=(6, 12, 24, 16)),
        params=7_978_856,
        macs_g=2.834,
        top1=74.434,
        paddleclas="DenseNet121",
    ),
    _DENSENET.row(
        "densenet161",
        DenseNet(layers=(6, 12, 36, 24), growth=48, stem=96),
        params=28_681_000,
        macs_g=7.728,
        top1=77.138,
        paddleclas="DenseNet161",
    ),
    _DENSENET.row(
        "densenet169",
        DenseNet(layers=(6, 12, 32, 32)),
        params=14_149_480,
        macs_g=3.360,
        top1=75.600,
        paddleclas="DenseNet169",
    ),
    _DENSENET.row(
        "densenet201",
        DenseNet(layers=(6, 12, 48, 32)),
        params=20_013_928,
        macs_g=4.291,
        top1=76.896,
        paddleclas="DenseNet201",
    ),
    _DENSENET.row(
        "densenet264",
        DenseNet(layers=(6, 12, 64, 48)),
        params=33_337_704,
        macs_g=5.82,
        top1=77.96,
        paddleclas="DenseNet264",
        source="PaddleClas; the paper has 77.85 %",
    ),
)
