"""MixNet."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class MixNet:
    """Tan, Le, 2019, MixConv: Mixed depthwise convolutional kernels, arXiv:1907.09595."""

    body: Annotated[Literal["small", "medium"], "the paper's Figure 4"]
    width: Annotated[float, Gt(0), "multiplier of channels; 1.3 of the medium one is the large one"] = 1.0
    same_padding: Annotated[bool, "pad as TensorFlow does, for weights from there"] = False
    norm_epsilon: Annotated[float, Gt(0), "of batch norm; 0.001 in weights from TensorFlow"] = 1e-5
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.2


_MIXNET = Family(
    build="imgcls_zoo.mixnet:build",
    layouts="imgcls_zoo.mixnet:layouts",
    year=2019,
    paper="arXiv:1907.09595",
    source="the paper, Table 2; macs_g is measured",
)
_COUNTED = (
    "macs_g is measured: PaddleClas counts two operations an element of each normalisation too, and the paper, "
    "with {paper}, no less"
)

MODELS = (
    _MIXNET.row(
        "mixnet_s",
        MixNet(body="small"),
        params=4_134_606,
        macs_g=0.23917,
        top1=75.8,
        paddleclas="MixNet_S",
        note=_COUNTED.format(paper="0.256"),
    ),
    _MIXNET.row(
        "mixnet_m",
        MixNet(body="medium", dropout=0.25),
        params=5_014_382,
        macs_g=0.33917,
        top1=77.0,
        paddleclas="MixNet_M",
        note=_COUNTED.format(paper="0.360"),
    ),
    _MIXNET.row(
        "mixnet_l",
        MixNet(body="medium", width=1.3, dropout=0.25),
        params=7_329_252,
        macs_g=0.55525,
        top1=78.9,
        paddleclas="MixNet_L",
        note=_COUNTED.format(paper="0.565"),
    ),
    _MIXNET.row(
        "tf_mixnet_s",
        MixNet(body="small", same_padding=True, norm_epsilon=1e-3),
        params=4_134_606,
        macs_g=0.23917,
        top1=75.8,
        note="mixnet_s for the authors' weights, as timm has them",
    ),
    _MIXNET.row(
        "tf_mixnet_m",
        MixNet(body="medium", same_padding=True, norm_epsilon=1e-3, dropout=0.25),
        params=5_014_382,
        macs_g=0.33917,
        top1=77.0,
        note="mixnet_m for the authors' weights, as timm has them",
    ),
    _MIXNET.row(
        "tf_mixnet_l",
        MixNet(body="medium", width=1.3, same_padding=True, norm_epsilon=1e-3, dropout=0.25),
        params=7_329_252,
        macs_g=0.55525,
        top1=78.9,
        note="mixnet_l for the authors' weights, as timm has them",
    ),
)
