"""MixNet: Tan, Le, 2019, MixConv: Mixed depthwise convolutional kernels, arXiv:1907.09595."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.blocks import SameConv2d, SqueezeExcite, make_divisible
from imgcls_zoo.blocks.convolution import Module, activated
from imgcls_zoo.catalog.mixnet import MixNet as Options
from imgcls_zoo.translating import Pairs, paddle


class Row(NamedTuple):
    """Equal blocks, of which the first has the stride.

    Attributes:
        repeats: number of blocks.
        channels: that come out.
        kernels: of the depthwise convolution, each on its share of the channels.
        expansion: of the channels within.
        squeezed: share of the incoming channels that squeeze-and-excitation has within; 0: there is none.
        groups: of the 1x1 convolutions that expand and that project.
        stride: of the first block.
    """

    repeats: int
    channels: int
    kernels: tuple[int, ...]
    expansion: int
    squeezed: float
    groups: tuple[int, int]
    stride: int


# the stem's channels, and the rows stage by stage; swish instead of ReLU from the third stage on
_BODIES: dict[str, tuple[int, tuple[tuple[Row, ...], ...]]] = {
    "small": (
        16,
        (
            (Row(1, 16, (3,), 1, 0, (1, 1), 1),),
            (Row(1, 24, (3,), 6, 0, (2, 2), 2), Row(1, 24, (3,), 3, 0, (2, 2), 1)),
            (Row(1, 40, (3, 5, 7), 6, 0.5, (1, 1), 2), Row(3, 40, (3, 5), 6, 0.5, (2, 2), 1)),
            (Row(1, 80, (3, 5, 7), 6, 0.25, (1, 2), 2), Row(2, 80, (3, 5), 6, 0.25, (1, 2), 1)),
            (Row(1, 120, (3, 5, 7), 6, 0.5, (2, 2), 1), Row(2, 120, (3, 5, 7, 9), 3, 0.5, (2, 2), 1)),
            (Row(1, 200, (3, 5, 7, 9, 11), 6, 0.5, (1, 1), 2), Row(2, 200, (3, 5, 7, 9), 6, 0.5, (1, 2), 1)),
        ),
    ),
    "medium": (
        24,
        (
            (Row(1, 24, (3,), 1, 0, (1, 1), 1),),
            (Row(1, 32, (3, 5, 7), 6, 0, (2, 2), 2), Row(1, 32, (3,), 3, 0, (2, 2), 1)),
            (Row(1, 40, (3, 5, 7, 9), 6, 0.5, (1, 1), 2), Row(3, 40, (3, 5), 6, 0.5, (2, 2), 1)),
            (Row(1, 80, (3, 5, 7), 6, 0.25, (1, 1), 2), Row(3, 80, (3, 5, 7, 9), 6, 0.25, (2, 2), 1)),
            (Row(1, 120, (3,), 6, 0.5, (1, 1), 1), Row(3, 120, (3, 5, 7, 9), 3, 0.5, (2, 2), 1)),
            (Row(1, 200, (3, 5, 7, 9), 6, 0.5, (1, 1), 2), Row(3, 200, (3, 5, 7, 9), 6, 0.5, (1, 2), 1)),
        ),
    ),
}


class MixConv(nn.ModuleList):
    """Convolutions of the kernels given, each on its share of the channels."""

    def __init__(
        self, inputs: int, outputs: int, kernels: tuple[int, ...], stride: int, depthwise: bool, same: bool
    ) -> None:
        self.shares = _shares(inputs, len(kernels))
        convolutions = (
            _conv(i, o, kernel, stride, i if depthwise else 1, same)
            for kernel, i, o in zip(kernels, self.shares, _shares(outputs, len(kernels)), strict=True)
        )
        super().__init__(convolutions)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return torch.cat([conv(part) for conv, part in zip(self, torch.split(x, self.shares, 1), strict=True)], 1)


def _shares(channels: int, kernels: int) -> list[int]:
    share = channels // kernels
    return [channels - share * (kernels - 1), *(share,) * (kernels - 1)]


def _conv(inputs: int, outputs: int, kernel: int, stride: int, groups: int, same: bool) -> nn.Conv2d:
    padding = 0 if same else kernel // 2
    return (SameConv2d if same else nn.Conv2d)(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)


class Layers:
    """Makes a convolution, or a mixture of several, with its normalisation and an activation."""

    def __init__(self, options: Options) -> None:
        self.same = options.same_padding
        self.epsilon = options.norm_epsilon

    def __call__(
        self,
        inputs: int,
        outputs: int,
        kernels: tuple[int, ...],
        stride: int = 1,
        depthwise: bool = False,
        activation: Module | None = nn.ReLU,
    ) -> nn.Module:
        """Return (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        conv: nn.Module
        if len(kernels) == 1:
            conv = _conv(inputs, outputs, kernels[0], stride, inputs if depthwise else 1, self.same)
        else:
            conv = MixConv(inputs, outputs, kernels, stride, depthwise, self.same)
        layers = [conv, nn.BatchNorm2d(outputs, eps=self.epsilon)]
        return nn.Sequential(*layers, *([activated(activation)] if activation else []))


class MixBlock(nn.Module):
    """MobileNetV2's block with mixed kernels, 1x1 convolutions in groups, and squeeze-and-excitation."""

    def __init__(
        self, layers: Layers, inputs: int, outputs: int, row: Row, stride: int, activation: Module
    ) -> None:
        super().__init__()
        width = inputs * row.expansion
        expanding, projecting = row.groups
        self.expand: nn.Module = nn.Identity()
        if row.expansion > 1:
            self.expand = layers(inputs, width, (1,) * expanding, activation=activation)
        self.depthwise = layers(width, width, row.kernels, stride, depthwise=True, activation=activation)
        self.squeeze_excite: nn.Module = nn.Identity()
        if row.squeezed:
            self.squeeze_excite = SqueezeExcite(width, int(inputs * row.squeezed), activation=nn.SiLU)
        self.project = layers(width, outputs, (1,) * projecting, activation=None)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = self.project(self.squeeze_excite(self.depthwise(self.expand(x))))
        return x + y if self.shortcut else y  # type: ignore[no-any-return]


class MixNet(nn.Module):
    """A 3x3 convolution, six stages of blocks, a 1x1 convolution, pooling, a classifier."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        layers = Layers(options)
        stem, stages = _BODIES[options.body]
        inputs = make_divisible(stem * options.width)
        self.stem = layers(in_channels, inputs, (3,), 2)
        self.stages = nn.Sequential()
        for index, rows in enumerate(stages):
            activation = nn.ReLU if index < 2 else nn.SiLU
            blocks = []
            for row in rows:
                outputs = make_divisible(row.channels * options.width)
                for stride in (row.stride, *(1,) * (row.repeats - 1)):
                    blocks.append(MixBlock(layers, inputs, outputs, row, stride, activation))
                    inputs = outputs
            self.stages.append(nn.Sequential(*blocks))
        self.head = layers(inputs, 1536, (1,))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(options.dropout)
        self.classifier = nn.Linear(1536, num_classes)
        _initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.head(self.stages(self.stem(images)))
        return self.classifier(self.dropout(self.avgpool(x).flatten(1)))  # type: ignore[no-any-return]


def _initialise(model: nn.Module) -> None:
    # as the authors' code: by the fan out of a group, and the classifier uniformly by its outputs
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.out_features)
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.zeros_(module.bias)


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A MixNet for images of 224x224 pixels."""
    return MixNet(options, num_classes, in_channels)


def layouts(options: Options) -> dict[str, Layout]:
    """Names of timm, and of PaddleClas, which has our last two stages as one, "stage4"."""
    fifth = sum(row.repeats for row in _BODIES[options.body][1][4])
    sixth = sum(row.repeats for row in _BODIES[options.body][1][5])
    merged: Pairs = tuple(
        (rf"^features\.stage4\.unit{i + 1}\.", f"stages.4.{i}." if i < fifth else f"stages.5.{i - fifth}.")
        for i in range(fifth + sixth)
    )
    return {
        "timm": Layout(
            rename=(
                (r"^conv_stem\.", "stem.0."),
                (r"^bn1\.", "stem.1."),
                (r"^conv_head\.", "head.0."),
                (r"^bn2\.", "head.1."),
                # the first block does not expand, so that timm's names mean other layers there
                (r"^blocks\.0\.0\.conv_dw\.", "stages.0.0.depthwise.0."),
                (r"^blocks\.0\.0\.bn1\.", "stages.0.0.depthwise.1."),
                (r"^blocks\.0\.0\.conv_pw\.", "stages.0.0.project.0."),
                (r"^blocks\.0\.0\.bn2\.", "stages.0.0.project.1."),
                (r"^blocks\.", "stages."),
                (r"\.conv_pw\.", ".expand.0."),
                (r"\.conv_dw\.", ".depthwise.0."),
                (r"\.conv_pwl\.", ".project.0."),
                (r"^(stages\.\d+\.\d+)\.bn1\.", r"\1.expand.1."),
                (r"^(stages\.\d+\.\d+)\.bn2\.", r"\1.depthwise.1."),
                (r"^(stages\.\d+\.\d+)\.bn3\.", r"\1.project.1."),
                (r"\.se\.conv_reduce\.", ".squeeze_excite.fc1."),
                (r"\.se\.conv_expand\.", ".squeeze_excite.fc2."),
            )
        ),
        "paddle": paddle(
            (r"^features\.init_block\.conv1\.conv\.", "stem.0."),
            (r"^features\.init_block\.conv1\.bn\.", "stem.1."),
            (r"^features\.init_block\.conv2\.", "stages.0.0."),
            (r"^features\.final_block\.conv\.", "head.0."),
            (r"^features\.final_block\.bn\.", "head.1."),
            *merged,
            (r"^features\.stage(\d)\.unit(\d+)\.", r"stages.\1.{2-1}."),
            (r"\.se\.conv(\d)\.", r".squeeze_excite.fc\1."),
            *(
                (rf"\.{theirs}\.{part}\.", f".{ours}.{place}.")
                for theirs, ours in (("exp_conv", "expand"), ("conv1", "depthwise"), ("conv2", "project"))
                for part, place in (("conv", 0), ("bn", 1))
            ),
            (r"^output\.", "classifier."),
        ),
    }
