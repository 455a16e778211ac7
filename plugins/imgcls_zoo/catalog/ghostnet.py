"""GhostNet."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class GhostNet:
    """Han et al., 2020, GhostNet: More features from cheap operations, arXiv:1911.11907."""

    width: Annotated[float, Gt(0), "multiplier of all channels, rounded to multiples of 4"] = 1.0
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.2


_GHOSTNET = Family(
    build="imgcls_zoo.ghostnet:build",
    layouts="imgcls_zoo.ghostnet:layouts",
    year=2020,
    paper="arXiv:1911.11907",
    source="the paper, Table 7",
)
_NOTE = (
    "as the authors' code; PaddleClas does not round the channels that squeeze, has batch norm where the authors "
    "have a bias before the classifier, gates by clipping to 0..1, and counts two operations an element of each "
    "normalisation"
)

MODELS = (
    _GHOSTNET.row(
        "ghostnet_x0_5",
        GhostNet(width=0.5),
        params=2_587_292,
        macs_g=0.042,
        top1=66.2,
        paddleclas="GhostNet_x0_5",
        note=_NOTE,
    ),
    _GHOSTNET.row(
        "ghostnet_x1_0",
        GhostNet(),
        params=5_182_508,
        macs_g=0.141,
        top1=73.9,
        paddleclas="GhostNet_x1_0",
        note=_NOTE,
    ),
    _GHOSTNET.row(
        "ghostnet_x1_3",
        GhostNet(width=1.3),
        params=7_358_820,
        macs_g=0.226,
        top1=75.7,
        paddleclas="GhostNet_x1_3",
        note=_NOTE,
    ),
)
