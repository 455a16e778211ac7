"""SqueezeNet."""

from typing import Annotated, Literal

from annotated_types import Ge, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class SqueezeNet:
    """Iandola et al., 2016, SqueezeNet: AlexNet-level accuracy with 50x fewer parameters, without bypasses."""

    version: Annotated[Literal["1.0", "1.1"], "1.1 is the authors' later one: a smaller stem, earlier pooling"]
    dropout: Annotated[float, Ge(0), Lt(1), "before the last convolution"] = 0.5


_SQUEEZENET = Family(
    build="imgcls_zoo.squeezenet:build",
    year=2016,
    paper="arXiv:1602.07360",
    source="torchvision, IMAGENET1K_V1 weights",
)

MODELS = (
    _SQUEEZENET.row(
        "squeezenet1_0",
        SqueezeNet(version="1.0"),
        params=1_248_424,
        macs_g=0.819,
        top1=58.092,
        paddleclas="SqueezeNet1_0",
        note="pooling rounds sizes up, as the authors' Caffe does; PaddleClas rounds down and counts 0.78 G",
    ),
    _SQUEEZENET.row(
        "squeezenet1_1",
        SqueezeNet(version="1.1"),
        params=1_235_496,
        macs_g=0.349,
        top1=58.178,
        paddleclas="SqueezeNet1_1",
    ),
)
