"""Inception v4."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import HALF, Family


@options
class InceptionV4:
    """Szegedy, Ioffe, Vanhoucke, Alemi, 2016, Inception-v4, Inception-ResNet and the impact of residuals."""

    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.2
    norm_eps: Annotated[float, Gt(0), "added to the variance by batch normalisation"] = 0.001


_INCEPTION_V4 = Family(
    build="imgcls_zoo.inception_v4:build",
    year=2016,
    paper="arXiv:1602.07261",
    source="timm, tf_in1k weights",
    input_size=299,
    eval_resize=342,
    interpolation="bicubic",
    mean=HALF,
    std=HALF,
)

MODELS = (
    _INCEPTION_V4.row(
        "inception_v4",
        InceptionV4(),
        params=42_679_816,
        macs_g=12.28,
        top1=80.144,
        paddleclas="InceptionV4",
    ),
)
