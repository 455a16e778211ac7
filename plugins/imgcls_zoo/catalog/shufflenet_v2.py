"""ShuffleNetV2."""

from typing import Annotated, Literal

from annotated_types import Ge, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class ShuffleNetV2:
    """Ma, Zhang, Zheng, Sun, 2018, ShuffleNet V2, arXiv:1807.11164."""

    channels: Annotated[tuple[int, int, int], "of stages 2, 3 and 4; even"]
    last: Annotated[int, "channels of the 1x1 convolution before the pooling"] = 1024
    activation: Annotated[Literal["relu", "swish"], "relu is the paper's"] = "relu"
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.0


_SHUFFLENET = Family(
    build="imgcls_zoo.shufflenet_v2:build",
    layouts="imgcls_zoo.shufflenet_v2:layouts",
    year=2018,
    paper="arXiv:1807.11164",
    source="torchvision, IMAGENET1K_V1 weights",
)
_COUNTED = "PaddleClas counts two operations an element of each normalisation too"

MODELS = (
    _SHUFFLENET.row(
        "shufflenet_v2_x0_25",
        ShuffleNetV2(channels=(24, 48, 96), last=512),
        params=603_688,
        macs_g=0.01758,
        top1=49.90,
        source="PaddleClas",
        paddleclas="ShuffleNetV2_x0_25",
        note=f"{_COUNTED}: without them its 0.01895 is macs_g",
    ),
    _SHUFFLENET.row(
        "shufflenet_v2_x0_33",
        ShuffleNetV2(channels=(32, 64, 128), last=512),
        params=647_272,
        macs_g=0.02245,
        top1=53.73,
        source="PaddleClas",
        paddleclas="ShuffleNetV2_x0_33",
        note=f"{_COUNTED}: without them its 0.02404 is macs_g",
    ),
    _SHUFFLENET.row(
        "shufflenet_v2_x0_5",
        ShuffleNetV2(channels=(48, 96, 192)),
        params=1_366_792,
        macs_g=0.0404,
        top1=60.552,
        paddleclas="ShuffleNetV2_x0_5",
        note=_COUNTED,
    ),
    _SHUFFLENET.row(
        "shufflenet_v2_x1_0",
        ShuffleNetV2(channels=(116, 232, 464)),
        params=2_278_604,
        macs_g=0.145,
        top1=69.362,
        paddleclas="ShuffleNetV2_x1_0",
    ),
    _SHUFFLENET.row(
        "shufflenet_v2_x1_5",
        ShuffleNetV2(channels=(176, 352, 704)),
        params=3_503_624,
        macs_g=0.296,
        top1=72.996,
        paddleclas="ShuffleNetV2_x1_5",
    ),
    _SHUFFLENET.row(
        "shufflenet_v2_x2_0",
        ShuffleNetV2(channels=(244, 488, 976), last=2048),
        params=7_393_996,
        macs_g=0.583,
        top1=76.230,
        paddleclas="ShuffleNetV2_x2_0",
    ),
    _SHUFFLENET.row(
        "shufflenet_v2_swish",
        ShuffleNetV2(channels=(116, 232, 464), activation="swish"),
        params=2_278_604,
        macs_g=0.14491,
        top1=70.03,
        source="PaddleClas",
        paddleclas="ShuffleNetV2_swish",
        note=f"{_COUNTED}: without them its 0.14886 is macs_g",
    ),
)
