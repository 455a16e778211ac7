"""RegNet: Radosavovic, Kosaraju, Girshick, He, Dollar, 2020, Designing network design spaces, arXiv:2003.13678.

Names of parameters are torchvision's, so that its published weights load as they are.
"""

import math
from collections import OrderedDict
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.blocks import ConvNormAct, SqueezeExcite, kaiming_normal_fan_out, make_divisible, zero_init
from imgcls_zoo.catalog.regnet import RegNet as Options
from imgcls_zoo.translating import paddle

STEM = 32


class Stage(NamedTuple):
    """So many blocks of one width, the first with a stride of 2."""

    width: int
    depth: int
    group_width: int


def stages(options: Options) -> list[Stage]:
    """Return the stages that the paper's Equations 2 to 4 give: a line of widths, quantised.

    Widths are multiples of 8 on the way, and of the group's width at the end.
    """
    line = [options.w_0 + options.w_a * block for block in range(options.depth)]
    powers = [round(math.log(width / options.w_0) / math.log(options.w_m)) for width in line]
    widths = [round(options.w_0 * options.w_m**power / 8) * 8 for power in powers]
    found = []
    for width, blocks in groupby(widths):
        group_width = min(options.group_width, width)
        found.append(Stage(_whole_groups(width, group_width, options.rounding), len(list(blocks)), group_width))
    return found


def _whole_groups(width: int, group_width: int, rounding: str) -> int:
    if rounding == "nearest":
        return round(width / group_width) * group_width
    return make_divisible(width, group_width)


class Block(nn.Module):
    """X and Y block: 1x1, grouped 3x3 and 1x1 convolutions around a shortcut; no bottleneck (b = 1)."""

    def __init__(self, inputs: int, width: int, stride: int, group_width: int, squeeze_ratio: float) -> None:
        super().__init__()
        self.proj: nn.Module | None = None
        if inputs != width or stride != 1:
            self.proj = ConvNormAct(inputs, width, 1, stride, activation=None)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["a"] = ConvNormAct(inputs, width, 1)
        layers["b"] = ConvNormAct(width, width, 3, stride, groups=width // group_width)
        if squeeze_ratio:
            layers["se"] = SqueezeExcite(width, round(squeeze_ratio * inputs))
        layers["c"] = last = ConvNormAct(width, width, 1, activation=None)
        self.f = nn.Sequential(layers)
        self.last_norm = (last[1],)  # in a tuple, so that it is not registered a second time
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, width, H / stride, W / stride)."""
        shortcut = x if self.proj is None else self.proj(x)
        return self.activation(self.f(x) + shortcut)  # type: ignore[no-any-return]


class RegNet(nn.Module):
    """A stem of one 3x3 convolution, four stages, global average pooling, a classifier."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.stem = ConvNormAct(in_channels, STEM, 3, stride=2)
        inputs, body = STEM, OrderedDict[str, nn.Module]()
        for number, stage in enumerate(stages(options), 1):
            blocks: OrderedDict[str, nn.Module] = OrderedDict()
            for i in range(stage.depth):
                stride = 2 if i == 0 else 1
                block = Block(inputs, stage.width, stride, stage.group_width, options.squeeze_ratio)
                blocks[f"block{number}-{i}"] = block
                inputs = stage.width
            body[f"block{number}"] = nn.Sequential(blocks)
        self.trunk_output = nn.Sequential(body)
        self.fc = nn.Linear(inputs, num_classes)
        self._initialise(options.zero_init_residual)

    def _initialise(self, zero_init_residual: bool) -> None:
        kaiming_normal_fan_out(self)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)
        if zero_init_residual:
            zero_init(*(module.last_norm[0] for module in self.modules() if isinstance(module, Block)))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.trunk_output(self.stem(images))
        return self.fc(torch.mean(x, (2, 3)))  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A RegNet for images of 224x224 pixels."""
    return RegNet(options, num_classes, in_channels)


def layouts(options: Options) -> dict[str, Layout]:
    """Names of timm and, for X, of Paddle, which has no Y."""
    timm = Layout(
        rename=(
            (r"^s(\d)\.b(\d+)\.", r"trunk_output.block\1.block\1-{2-1}."),
            (r"\.conv1\.", ".f.a."),
            (r"\.conv2\.", ".f.b."),
            (r"\.conv3\.", ".f.c."),
            (r"\.se\.", ".f.se."),
            (r"\.downsample\.", ".proj."),
            (r"\.conv\.", ".0."),
            (r"\.bn\.", ".1."),
            (r"^head\.fc\.", "fc."),
        )
    )
    if options.squeeze_ratio:
        return {"timm": timm}
    return {
        "timm": timm,
        "paddle": paddle(
            (r"^conv\.", "stem."),
            (r"^s(\d)_b(\d+)\.", r"trunk_output.block\1.block\1-{2-1}."),
            (r"\.conv0\.", ".f.a."),
            (r"\.conv1\.", ".f.b."),
            (r"\.conv2\.", ".f.c."),
            (r"\.short\.", ".proj."),
            (r"\._conv\.", ".0."),
            (r"\._batch_norm\.", ".1."),
            (r"^out\.", "fc."),
        ),
    }
