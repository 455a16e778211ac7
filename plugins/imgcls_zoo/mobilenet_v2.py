"""MobileNetV2: Sandler, Howard, Zhu, Zhmoginov, Chen, 2018, arXiv:1801.04381.

Names of parameters are torchvision's, so that its published weights load as they are.
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.blocks import ConvNormAct, kaiming_normal_fan_out, make_divisible
from imgcls_zoo.blocks.convolution import Module
from imgcls_zoo.catalog.mobilenet_v2 import MobileNetV2 as Options
from imgcls_zoo.translating import Pairs

# Table 2: expansion t, channels c, repeats n, stride s of the first
_BOTTLENECKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depthwise convolution, linear 1x1 projection; a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, norm: Module) -> None:
        super().__init__()
        width = inputs * expansion
        relu6 = partial(ConvNormAct, norm=norm, activation=nn.ReLU6)
        layers: list[nn.Module] = [relu6(inputs, width, 1)] if expansion > 1 else []
        layers += [
            relu6(width, width, 3, stride, groups=width),
            nn.Conv2d(width, outputs, 1, bias=False),
            norm(outputs),
        ]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return x + self.conv(x) if self.shortcut else self.conv(x)  # type: ignore[no-any-return]


class MobileNetV2(nn.Module):
    """A 3x3 convolution, seventeen inverted residuals, a 1x1 convolution, pooling, a classifier."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=options.norm_epsilon)
        relu6 = partial(ConvNormAct, norm=norm, activation=nn.ReLU6)
        inputs = make_divisible(32 * options.width)
        layers: list[nn.Module] = [relu6(in_channels, inputs, 3, 2)]
        for expansion, channels, repeats, first_stride in _BOTTLENECKS:
            outputs = make_divisible(channels * options.width)
            for stride in (first_stride, *(1,) * (repeats - 1)):
                layers.append(InvertedResidual(inputs, outputs, stride, expansion, norm))
                inputs = outputs
        last = make_divisible(1280 * max(1.0, options.width))  # Section 5: thin networks keep the last layer
        layers.append(relu6(inputs, last, 1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(options.dropout), nn.Linear(last, num_classes))
        kaiming_normal_fan_out(self)
        small_linear(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        return self.classifier(self.avgpool(self.features(images)).flatten(1))  # type: ignore[no-any-return]


def small_linear(model: nn.Module) -> None:
    """Draw the weights of fully connected layers from a normal of deviation 0.01, biases zero."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A MobileNetV2 for images of 224x224 pixels."""
    return MobileNetV2(options, num_classes, in_channels)


def flattened(depths: Sequence[int]) -> Pairs:
    """Return the pairs that turn timm's ``blocks.STAGE.BLOCK`` into torchvision's ``features.N``, from 1."""
    places = [(stage, block) for stage, depth in enumerate(depths) for block in range(depth)]
    return tuple((rf"^blocks\.{s}\.{b}\.", f"features.{i}.") for i, (s, b) in enumerate(places, 1))


def layouts(options: Options) -> dict[str, Layout]:  # noqa: ARG001
    """Names of other projects. PaddleClas's network has one layer more: its files do not fit."""
    first, others = r"^features\.1\.", r"^features\.(\d+)\."
    return {
        "timm": Layout(
            rename=(
                (r"^conv_stem\.", "features.0.0."),
                (r"^bn1\.", "features.0.1."),
                (r"^conv_head\.", "features.18.0."),
                (r"^bn2\.", "features.18.1."),
                *flattened([repeats for _, _, repeats, _ in _BOTTLENECKS]),
                (first + r"conv_dw\.", "features.1.conv.0.0."),
                (first + r"bn1\.", "features.1.conv.0.1."),
                (first + r"conv_pw\.", "features.1.conv.1."),
                (first + r"bn2\.", "features.1.conv.2."),
                (others + r"conv_pw\.", r"features.\1.conv.0.0."),
                (others + r"bn1\.", r"features.\1.conv.0.1."),
                (others + r"conv_dw\.", r"features.\1.conv.1.0."),
                (others + r"bn2\.", r"features.\1.conv.1.1."),
                (others + r"conv_pwl\.", r"features.\1.conv.2."),
                (others + r"bn3\.", r"features.\1.conv.3."),
                (r"^classifier\.", "classifier.1."),
            )
        )
    }
