"""GhostNet: Han, Wang, Tian, Guo, Xu, Xu, 2020, arXiv:1911.11907.

Names of parameters are those of the authors' release, which timm shares.
"""

import torch
from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.blocks import ConvNormAct, SqueezeExcite, make_divisible
from imgcls_zoo.blocks.convolution import Module
from imgcls_zoo.catalog.ghostnet import GhostNet as Options

# Table 1, stage by stage: kernel, expansion, channels, whether it squeezes, stride
_STAGES = (
    ((3, 16, 16, False, 1),),
    ((3, 48, 24, False, 2),),
    ((3, 72, 24, False, 1),),
    ((5, 72, 40, True, 2),),
    ((5, 120, 40, True, 1),),
    ((3, 240, 80, False, 2),),
    (
        (3, 200, 80, False, 1),
        (3, 184, 80, False, 1),
        (3, 184, 80, False, 1),
        (3, 480, 112, True, 1),
        (3, 672, 112, True, 1),
    ),
    ((5, 672, 160, True, 2),),
    (
        (5, 960, 160, False, 1),
        (5, 960, 160, True, 1),
        (5, 960, 160, False, 1),
        (5, 960, 160, True, 1),
    ),
)


class GhostModule(nn.Module):
    """Half of the channels by a 1x1 convolution, their ghosts by a cheap 3x3 convolution of each: Figure 1."""

    def __init__(self, inputs: int, outputs: int, activation: Module | None = nn.ReLU) -> None:
        super().__init__()
        half = outputs // 2
        self.primary_conv = ConvNormAct(inputs, half, 1, activation=activation)
        self.cheap_operation = ConvNormAct(half, half, 3, groups=half, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H, W)."""
        intrinsic = self.primary_conv(x)
        return torch.cat((intrinsic, self.cheap_operation(intrinsic)), 1)


class GhostBottleneck(nn.Module):
    """Two ghost modules around a shortcut; where there is a stride, a depthwise convolution between them."""

    def __init__(self, inputs: int, hidden: int, outputs: int, kernel: int, squeezes: bool, stride: int) -> None:
        super().__init__()
        self.ghost1 = GhostModule(inputs, hidden)
        self.conv_dw: nn.Module = nn.Identity()
        self.bn_dw: nn.Module = nn.Identity()
        if stride > 1:
            self.conv_dw = nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False)
            self.bn_dw = nn.BatchNorm2d(hidden)
        self.se: nn.Module = nn.Identity()
        if squeezes:
            squeezed = make_divisible(hidden / 4, 4)
            self.se = SqueezeExcite(hidden, squeezed, gate=nn.Hardsigmoid, names=("conv_reduce", "conv_expand"))
        self.ghost2 = GhostModule(hidden, outputs, activation=None)
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, inputs, kernel, stride, kernel // 2, groups=inputs, bias=False),
                nn.BatchNorm2d(inputs),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        ghosts = self.bn_dw(self.conv_dw(self.ghost1(x)))
        return self.ghost2(self.se(ghosts)) + self.shortcut(x)  # type: ignore[no-any-return]


class GhostNet(nn.Module):
    """A 3x3 convolution, sixteen ghost bottlenecks, a 1x1 convolution, pooling, a hidden layer, a classifier."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        inputs = make_divisible(16 * options.width, 4)
        self.conv_stem = nn.Conv2d(in_channels, inputs, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.act = nn.ReLU(inplace=True)
        stages: list[nn.Module] = []
        hidden = inputs
        for rows in _STAGES:
            blocks = []
            for kernel, expansion, channels, squeezes, stride in rows:
                hidden = make_divisible(expansion * options.width, 4)
                outputs = make_divisible(channels * options.width, 4)
                blocks.append(GhostBottleneck(inputs, hidden, outputs, kernel, squeezes, stride))
                inputs = outputs
            stages.append(nn.Sequential(*blocks))
        last = ConvNormAct(inputs, hidden, 1, names=("conv", "bn1", "act"))
        self.blocks = nn.Sequential(*stages, nn.Sequential(last))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.conv_head = nn.Conv2d(hidden, 1280, 1)
        self.dropout = nn.Dropout(options.dropout)
        self.classifier = nn.Linear(1280, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.blocks(self.act(self.bn1(self.conv_stem(images))))
        x = self.act(self.conv_head(self.avgpool(x)))
        return self.classifier(self.dropout(x.flatten(1)))  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A GhostNet for images of 224x224 pixels."""
    return GhostNet(options, num_classes, in_channels)


def layouts(options: Options) -> dict[str, Layout]:  # noqa: ARG001
    """No other names: timm's are the same, and PaddleClas's network is another one, see the rows' notes."""
    return {}
