"""MobileNet: Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam, 2017, arXiv:1704.04861."""

from functools import partial

from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.blocks import ConvNormAct
from imgcls_zoo.blocks.convolution import Module
from imgcls_zoo.catalog.mobilenet_v1 import MobileNetV1 as Options
from imgcls_zoo.translating import paddle

# Table 1: channels and stride of each depthwise separable convolution
_BODY = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
_DEPTHS = (1, 2, 2, 6, 2)  # between two strides, as timm numbers them


class DepthwiseSeparable(nn.Module):
    """A 3x3 convolution of each channel, then a 1x1 convolution over the channels."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Module, activation: Module) -> None:
        super().__init__()
        self.depthwise = ConvNormAct(inputs, inputs, 3, stride, groups=inputs, norm=norm, activation=activation)
        self.pointwise = ConvNormAct(inputs, outputs, 1, norm=norm, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return self.pointwise(self.depthwise(x))  # type: ignore[no-any-return]


class MobileNetV1(nn.Module):
    """A 3x3 convolution, thirteen depthwise separable convolutions, global average pooling, a classifier."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=options.norm_epsilon)
        activation = nn.ReLU if options.activation == "relu" else nn.ReLU6
        inputs = int(32 * options.width)
        self.stem = ConvNormAct(in_channels, inputs, 3, 2, norm=norm, activation=activation)
        blocks = []
        for channels, stride in _BODY:
            outputs = int(channels * options.width)
            blocks.append(DepthwiseSeparable(inputs, outputs, stride, norm, activation))
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(options.dropout)
        self.fc = nn.Linear(inputs, num_classes)
        for module in self.modules():  # as the authors' code, where it is cut at two deviations
            if isinstance(module, nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.09, a=-0.18, b=0.18)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.blocks(self.stem(images))
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A MobileNet for images of 224x224 pixels."""
    return MobileNetV1(options, num_classes, in_channels)


def layouts(options: Options) -> dict[str, Layout]:  # noqa: ARG001
    """Names of other projects. timm's weights are trained with ReLU6: ``activation = "relu6"``."""
    places = [(stage, block) for stage, depth in enumerate(_DEPTHS) for block in range(depth)]
    return {
        "timm": Layout(
            rename=(
                (r"^conv_stem\.", "stem.0."),
                (r"^bn1\.", "stem.1."),
                # "block" for the time being, so that no name is translated twice
                *((rf"^blocks\.{s}\.{b}\.", f"block.{i}.") for i, (s, b) in enumerate(places)),
                (r"^block\.(\d+)\.conv_dw\.", r"blocks.\1.depthwise.0."),
                (r"^block\.(\d+)\.bn1\.", r"blocks.\1.depthwise.1."),
                (r"^block\.(\d+)\.conv_pw\.", r"blocks.\1.pointwise.0."),
                (r"^block\.(\d+)\.bn2\.", r"blocks.\1.pointwise.1."),
                (r"^classifier\.", "fc."),
            )
        ),
        "paddle": paddle(
            (r"^conv\.conv\.", "stem.0."),
            (r"^conv\.bn\.", "stem.1."),
            (r"wise_conv\.conv\.", "wise.0."),
            (r"wise_conv\.bn\.", "wise.1."),
        ),
    }
