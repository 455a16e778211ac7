"""MobileNetV3: Howard et al., 2019, Searching for MobileNetV3, arXiv:1905.02244.

Names of parameters are torchvision's, so that its published weights load as they are.
"""

from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.blocks import ConvNormAct, SqueezeExcite, kaiming_normal_fan_out, make_divisible
from imgcls_zoo.blocks.convolution import Module
from imgcls_zoo.catalog.mobilenet_v3 import MobileNetV3 as Options
from imgcls_zoo.mobilenet_v2 import flattened, small_linear


class Row(NamedTuple):
    """Of the paper's tables: "exp size", "#out", "SE", "NL", "s" and, first, the kernel."""

    kernel: int
    expanded: int
    outputs: int
    squeezes: bool
    hard_swish: bool
    stride: int


_TABLE_1 = (
    Row(3, 16, 16, False, False, 1),
    Row(3, 64, 24, False, False, 2),
    Row(3, 72, 24, False, False, 1),
    Row(5, 72, 40, True, False, 2),
    Row(5, 120, 40, True, False, 1),
    Row(5, 120, 40, True, False, 1),
    Row(3, 240, 80, False, True, 2),
    Row(3, 200, 80, False, True, 1),
    Row(3, 184, 80, False, True, 1),
    Row(3, 184, 80, False, True, 1),
    Row(3, 480, 112, True, True, 1),
    Row(3, 672, 112, True, True, 1),
    Row(5, 672, 160, True, True, 2),
    Row(5, 960, 160, True, True, 1),
    Row(5, 960, 160, True, True, 1),
)
_TABLE_2 = (
    Row(3, 16, 16, True, False, 2),
    Row(3, 72, 24, False, False, 2),
    Row(3, 88, 24, False, False, 1),
    Row(5, 96, 40, True, True, 2),
    Row(5, 240, 40, True, True, 1),
    Row(5, 240, 40, True, True, 1),
    Row(5, 120, 48, True, True, 1),
    Row(5, 144, 48, True, True, 1),
    Row(5, 288, 96, True, True, 2),
    Row(5, 576, 96, True, True, 1),
    Row(5, 576, 96, True, True, 1),
)
# the tables, the channels of the last layer but one, and blocks in each of timm's stages
_SIZES = {
    "large": (_TABLE_1, 1280, (1, 2, 3, 4, 2, 3)),
    "small": (_TABLE_2, 1024, (1, 2, 3, 2, 3)),
}


class InvertedResidual(nn.Module):
    """MobileNetV2's block with squeeze-and-excitation after the depthwise convolution: Figure 4."""

    def __init__(self, inputs: int, width: int, outputs: int, row: Row, norm: Module) -> None:
        super().__init__()
        activation = nn.Hardswish if row.hard_swish else nn.ReLU
        conv = partial(ConvNormAct, norm=norm, activation=activation)
        layers: list[nn.Module] = [conv(inputs, width, 1)] if width != inputs else []
        layers.append(conv(width, width, row.kernel, row.stride, groups=width))
        if row.squeezes:
            layers.append(SqueezeExcite(width, make_divisible(width // 4), gate=nn.Hardsigmoid))
        layers.append(ConvNormAct(width, outputs, 1, norm=norm, activation=None))
        self.block = nn.Sequential(*layers)
        self.shortcut = row.stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return x + self.block(x) if self.shortcut else self.block(x)  # type: ignore[no-any-return]


class MobileNetV3(nn.Module):
    """A 3x3 convolution, inverted residuals, a 1x1 convolution, pooling, two fully connected layers."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=options.norm_epsilon, momentum=options.norm_momentum)
        table, hidden, _ = _SIZES[options.size]
        unscaled, inputs = 16, make_divisible(16 * options.width)
        layers: list[nn.Module] = [ConvNormAct(in_channels, inputs, 3, 2, norm=norm, activation=nn.Hardswish)]
        for row in table:
            # as the authors: by the ratio in the table, of the channels that there really are
            width = make_divisible(inputs * row.expanded / unscaled)
            outputs = make_divisible(row.outputs * options.width)
            layers.append(InvertedResidual(inputs, width, outputs, row, norm))
            unscaled, inputs = row.outputs, outputs
        pooled = make_divisible(6 * unscaled * options.width)
        layers.append(ConvNormAct(inputs, pooled, 1, norm=norm, activation=nn.Hardswish))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(pooled, hidden),  # the width does not change its outputs
            nn.Hardswish(),
            nn.Dropout(options.dropout),
            nn.Linear(hidden, num_classes),
        )
        kaiming_normal_fan_out(self)
        small_linear(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        return self.classifier(self.avgpool(self.features(images)).flatten(1))  # type: ignore[no-any-return]

    def adapted(self, name: str, value: Tensor) -> Tensor | None:
        """Take a 1x1 convolution for the first fully connected layer: timm has it so."""
        if name == "classifier.0.weight" and value.shape[2:] == (1, 1):
            return value.flatten(1)
        return None


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A MobileNetV3 for images of 224x224 pixels."""
    return MobileNetV3(options, num_classes, in_channels)


def layouts(options: Options) -> dict[str, Layout]:
    """Names of timm; its networks thinner than 0.75 have another first convolution.

    PaddleClas's networks differ: see the rows' notes.
    """
    table, _, depths = _SIZES[options.size]
    rename = [(r"^conv_stem\.", "features.0.0."), (r"^bn1\.", "features.0.1."), *flattened(depths)]
    inputs = 16
    for i, row in enumerate(table, 1):
        parts = ["conv_dw", *(["se"] if row.squeezes else [])]
        # timm's block that does not expand has other names and numbers
        parts = ["conv_pw", *parts, "conv_pwl"] if row.expanded != inputs else [*parts, "conv_pw"]
        block, norms = rf"^features\.{i}\.", 0
        for place, part in enumerate(parts):
            own = f"features.{i}.block.{place}."
            if part == "se":
                rename += [
                    (rf"{block}se\.conv_reduce\.", f"{own}fc1."),
                    (rf"{block}se\.conv_expand\.", f"{own}fc2."),
                ]
                continue
            norms += 1
            rename += [(rf"{block}{part}\.", f"{own}0."), (rf"{block}bn{norms}\.", f"{own}1.")]
        inputs = row.outputs
    last = len(table) + 1
    rename += [
        (rf"^blocks\.{len(depths)}\.0\.conv\.", f"features.{last}.0."),
        (rf"^blocks\.{len(depths)}\.0\.bn1\.", f"features.{last}.1."),
        (r"^conv_head\.", "classifier.0."),
        (r"^classifier\.(weight|bias)$", r"classifier.3.\1"),
    ]
    return {"timm": Layout(rename=tuple(rename))} if options.width >= 0.75 else {}
