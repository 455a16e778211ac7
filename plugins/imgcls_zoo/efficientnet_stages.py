"""How EfficientNet and EfficientNetV2 are made of stages, and how these are scaled."""

import math
from typing import Literal, NamedTuple

from imgcls_zoo.blocks import make_divisible
from imgcls_zoo.catalog.efficientnet import EfficientNet as Options
from imgcls_zoo.catalog.efficientnet import EfficientNetV2 as OptionsV2


class Stage(NamedTuple):
    """A row of the papers' tables: so many blocks, the first of which has the stride and changes the width."""

    block: Literal["MBConv", "Fused-MBConv"]
    expansion: int
    kernel: int
    stride: int
    width: int
    depth: int


# Table 1 of EfficientNet
_V1 = (
    Stage("MBConv", 1, 3, 1, 16, 1),
    Stage("MBConv", 6, 3, 2, 24, 2),
    Stage("MBConv", 6, 5, 2, 40, 2),
    Stage("MBConv", 6, 3, 2, 80, 3),
    Stage("MBConv", 6, 5, 1, 112, 3),
    Stage("MBConv", 6, 5, 2, 192, 4),
    Stage("MBConv", 6, 3, 1, 320, 1),
)
# of EfficientNetV2: Table 4 has S, the authors' code the others
_V2 = {
    "b": (
        Stage("Fused-MBConv", 1, 3, 1, 16, 1),
        Stage("Fused-MBConv", 4, 3, 2, 32, 2),
        Stage("Fused-MBConv", 4, 3, 2, 48, 2),
        Stage("MBConv", 4, 3, 2, 96, 3),
        Stage("MBConv", 6, 3, 1, 112, 5),
        Stage("MBConv", 6, 3, 2, 192, 8),
    ),
    "s": (
        Stage("Fused-MBConv", 1, 3, 1, 24, 2),
        Stage("Fused-MBConv", 4, 3, 2, 48, 4),
        Stage("Fused-MBConv", 4, 3, 2, 64, 4),
        Stage("MBConv", 4, 3, 2, 128, 6),
        Stage("MBConv", 6, 3, 1, 160, 9),
        Stage("MBConv", 6, 3, 2, 256, 15),
    ),
    "m": (
        Stage("Fused-MBConv", 1, 3, 1, 24, 3),
        Stage("Fused-MBConv", 4, 3, 2, 48, 5),
        Stage("Fused-MBConv", 4, 3, 2, 80, 5),
        Stage("MBConv", 4, 3, 2, 160, 7),
        Stage("MBConv", 6, 3, 1, 176, 14),
        Stage("MBConv", 6, 3, 2, 304, 18),
        Stage("MBConv", 6, 3, 1, 512, 5),
    ),
    "l": (
        Stage("Fused-MBConv", 1, 3, 1, 32, 4),
        Stage("Fused-MBConv", 4, 3, 2, 64, 7),
        Stage("Fused-MBConv", 4, 3, 2, 96, 7),
        Stage("MBConv", 4, 3, 2, 192, 10),
        Stage("MBConv", 6, 3, 1, 224, 19),
        Stage("MBConv", 6, 3, 2, 384, 25),
        Stage("MBConv", 6, 3, 1, 640, 7),
    ),
}
_V2_STEM = {"b": 32, "s": 24, "m": 24, "l": 32}


class Plan(NamedTuple):
    """Widths and depths after scaling."""

    stem: int
    stages: tuple[Stage, ...]
    head: int


def plan(options: Options) -> Plan:
    """Return a network's widths and depths: compound scaling, widths to multiples of 8, depths upwards."""
    if isinstance(options, OptionsV2):
        stem, stages = _V2_STEM[options.stages], _V2[options.stages]
    else:
        stem, stages = 32, _V1

    def width(channels: int) -> int:
        if isinstance(options, OptionsV2):  # to the nearest, without the limit of 10 %
            return int(channels * options.width + 4) // 8 * 8
        return make_divisible(channels * options.width)

    scaled = tuple(
        stage._replace(width=width(stage.width), depth=math.ceil(stage.depth * options.depth)) for stage in stages
    )
    return Plan(width(stem), scaled, width(1280))
