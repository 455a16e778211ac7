"""PP-LCNetV2."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class PPLCNetV2:
    """PaddlePaddle, 2022: no paper; PaddleClas's documentation of PP-LCNetV2 describes it."""

    layers: Annotated[tuple[int, int, int, int], "blocks in each stage"] = (2, 2, 6, 2)
    scale: Annotated[float, Gt(0), "of the channels"] = 1.0
    dropout: Annotated[
        float, Ge(0), Lt(1), "before the classifier; as in Paddle, what scales is the evaluation, not the training"
    ] = 0.2


_PPLCNET_V2 = Family(
    build="imgcls_zoo.pp_lcnet_v2:build",
    layouts="imgcls_zoo.pp_lcnet_v2:layouts",
    year=2022,
    paper="PaddleClas's documentation",
    source="PaddleClas",
)

MODELS = (
    _PPLCNET_V2.row(
        "pp_lcnet_v2_base",
        PPLCNetV2(),
        params=6_687_208,
        macs_g=0.604,
        top1=77.04,
        paddleclas="PPLCNetV2_base",
        note="PaddleClas's count has the merged convolutions beside their branches; 6,624,232 when deployed",
    ),
)
