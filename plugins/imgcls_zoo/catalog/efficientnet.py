"""EfficientNet and EfficientNetV2."""

from dataclasses import replace
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from imgcls import options
from imgcls_zoo.catalog.family import HALF, Family


@options
class EfficientNet:
    """Tan, Le, 2019, EfficientNet: rethinking model scaling for convolutional neural networks, arXiv:1905.11946.

    The defaults are the authors', who trained in TensorFlow. torchvision's weights, and timm's without a ``tf_``
    in their name, need ``padding = "symmetric"``, and of B0 to B4 ``batch_norm_epsilon = 1e-5``.
    """

    width: Annotated[float, Gt(0), "multiplies the channels of every layer"] = 1.0
    depth: Annotated[float, Gt(0), "multiplies the blocks of every stage"] = 1.0
    squeeze_excite: Annotated[bool, "in every MBConv block"] = True
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.2
    drop_path: Annotated[float, Ge(0), Lt(1), "stochastic depth, rising linearly to this over the blocks"] = 0.2
    padding: Annotated[Literal["same", "symmetric"], "of strided convolutions; same is TensorFlow's"] = "same"
    batch_norm_epsilon: Annotated[float, Gt(0), "added to the variance"] = 1e-3
    batch_norm_momentum: Annotated[float, Gt(0), Le(1), "share of the newest batch in running statistics"] = 0.01


@options
class EfficientNetV2(EfficientNet):
    """Tan, Le, 2021, EfficientNetV2: smaller models and faster training, arXiv:2104.00298.

    The defaults are the authors', who trained in TensorFlow. torchvision's weights need ``padding =
    "symmetric"``, and those of S and M images normalised by ImageNet's mean and standard deviation.
    """

    stages: Annotated[Literal["b", "s", "m", "l"], "the table of stages; b is scaled by width and depth"]


_V1 = Family(
    build="imgcls_zoo.efficientnet:build",
    layouts="imgcls_zoo.efficientnet:layouts",
    year=2019,
    paper="arXiv:1905.11946",
    source="the paper's Table 2",
    interpolation="bicubic",
)
_V2 = replace(_V1, year=2021, paper="arXiv:2104.00298", source="the authors' release, google/automl")
_V2_LARGE = replace(_V2, mean=HALF, std=HALF)

_COUNT = "PaddleClas counts 3 to 4 % more multiply-adds than the paper and torchvision"
_TORCHVISION = "macs_g is torchvision's; the paper has {} G, which a count of convolutions exceeds by {} %"

MODELS = (
    _V1.row(
        "efficientnet_b0",
        EfficientNet(),
        params=5_288_548,
        macs_g=0.39,
        top1=77.1,
        paddleclas="EfficientNetB0",
        note=_COUNT,
    ),
    _V1.row(
        "efficientnet_b1",
        EfficientNet(depth=1.1),
        params=7_794_184,
        macs_g=0.7,
        top1=79.1,
        paddleclas="EfficientNetB1",
        input_size=240,
        eval_resize=272,
        note=_COUNT,
    ),
    _V1.row(
        "efficientnet_b2",
        EfficientNet(width=1.1, depth=1.2, dropout=0.3),
        params=9_109_994,
        macs_g=1.0,
        top1=80.1,
        paddleclas="EfficientNetB2",
        input_size=260,
        eval_resize=292,
    ),
    _V1.row(
        "efficientnet_b3",
        EfficientNet(width=1.2, depth=1.4, dropout=0.3),
        params=12_233_232,
        macs_g=1.8,
        top1=81.6,
        paddleclas="EfficientNetB3",
        input_size=300,
        eval_resize=332,
    ),
    _V1.row(
        "efficientnet_b4",
        EfficientNet(width=1.4, depth=1.8, dropout=0.4),
        params=19_341_616,
        macs_g=4.394,
        top1=82.9,
        paddleclas="EfficientNetB4",
        input_size=380,
        eval_resize=412,
        note=_TORCHVISION.format(4.2, 4.6),
    ),
    _V1.row(
        "efficientnet_b5",
        EfficientNet(width=1.6, depth=2.2, dropout=0.4),
        params=30_389_784,
        macs_g=10.266,
        top1=83.6,
        paddleclas="EfficientNetB5",
        input_size=456,
        eval_resize=488,
        note=_TORCHVISION.format(9.9, 3.7),
    ),
    _V1.row(
        "efficientnet_b6",
        EfficientNet(width=1.8, depth=2.6, dropout=0.5),
        params=43_040_704,
        macs_g=19.0,
        top1=84.0,
        paddleclas="EfficientNetB6",
        input_size=528,
        eval_resize=560,
    ),
    _V1.row(
        "efficientnet_b7",
        EfficientNet(width=2.0, depth=3.1, dropout=0.5),
        params=66_347_960,
        macs_g=37.0,
        top1=84.3,
        paddleclas="EfficientNetB7",
        input_size=600,
        eval_resize=632,
    ),
    _V1.row(
        "efficientnet_b0_small",
        EfficientNet(squeeze_excite=False, padding="symmetric"),
        params=4_652_008,
        macs_g=0.385,
        top1=75.80,
        paddleclas="EfficientNetB0_small",
        source="PaddleClas",
        note="macs_g is measured: PaddleClas gives B0 and this the same 0.4 G, though this has no squeeze-excite",
    ),
    _V2.row(
        "efficientnet_v2_b0",
        EfficientNetV2(stages="b"),
        params=7_139_704,
        macs_g=0.72,
        top1=78.7,
    ),
    _V2.row(
        "efficientnet_v2_b1",
        EfficientNetV2(stages="b", depth=1.1),
        params=8_141_052,
        macs_g=1.2,
        top1=79.8,
        input_size=240,
        eval_resize=272,
    ),
    _V2.row(
        "efficientnet_v2_b2",
        EfficientNetV2(stages="b", width=1.1, depth=1.2, dropout=0.3),
        params=10_096_086,
        macs_g=1.7,
        top1=80.5,
        input_size=260,
        eval_resize=292,
    ),
    _V2.row(
        "efficientnet_v2_b3",
        EfficientNetV2(stages="b", width=1.2, depth=1.4, dropout=0.3),
        params=14_358_406,
        macs_g=3.0,
        top1=82.1,
        input_size=300,
        eval_resize=332,
    ),
    _V2_LARGE.row(
        "efficientnet_v2_s",
        EfficientNetV2(stages="s"),
        params=21_458_488,
        macs_g=8.4,
        top1=83.9,
        input_size=384,
        eval_resize=384,
    ),
    _V2_LARGE.row(
        "efficientnet_v2_m",
        EfficientNetV2(stages="m", dropout=0.3),
        params=54_139_356,
        macs_g=24.7,
        top1=85.2,
        input_size=480,
        eval_resize=480,
    ),
    _V2_LARGE.row(
        "efficientnet_v2_l",
        EfficientNetV2(stages="l", dropout=0.4),
        params=118_515_272,
        macs_g=56.3,
        top1=85.7,
        input_size=480,
        eval_resize=480,
    ),
)
