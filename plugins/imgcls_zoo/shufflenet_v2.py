"""ShuffleNetV2: Ma, Zhang, Zheng, Sun, 2018, arXiv:1807.11164.

Names of parameters are torchvision's, so that its published weights load as they are.
"""

import torch
from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.blocks import ConvNormAct
from imgcls_zoo.blocks.convolution import Module, activated
from imgcls_zoo.catalog.shufflenet_v2 import ShuffleNetV2 as Options
from imgcls_zoo.translating import paddle

_REPEATS = (4, 8, 4)  # Table 5


def _pointwise(inputs: int, outputs: int, activation: Module) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), activated(activation)]


def _depthwise(channels: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), nn.BatchNorm2d(channels)]


class Unit(nn.Module):
    """Figure 3: (c) with a stride of 1 splits the channels in two, (d) with a stride of 2 uses all of them twice.

    The two branches' channels are interleaved at the end: that is the shuffle.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, activation: Module) -> None:
        super().__init__()
        half = outputs // 2
        self.splits = stride == 1
        if not self.splits:
            self.branch1 = nn.Sequential(*_depthwise(inputs, stride), *_pointwise(inputs, half, activation))
        self.branch2 = nn.Sequential(
            *_pointwise(half if self.splits else inputs, half, activation),
            *_depthwise(half, stride),
            *_pointwise(half, half, activation),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        if self.splits:
            left, right = x.chunk(2, dim=1)
            return torch.stack((left, self.branch2(right)), dim=2).flatten(1, 2)
        return torch.stack((self.branch1(x), self.branch2(x)), dim=2).flatten(1, 2)


class ShuffleNetV2(nn.Module):
    """A 3x3 convolution, max pooling, three stages of units, a 1x1 convolution, pooling, a classifier."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        activation = nn.ReLU if options.activation == "relu" else nn.SiLU
        self.conv1 = ConvNormAct(in_channels, 24, 3, 2, activation=activation)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        second, third, fourth = options.channels
        self.stage2 = _stage(24, second, _REPEATS[0], activation)
        self.stage3 = _stage(second, third, _REPEATS[1], activation)
        self.stage4 = _stage(third, fourth, _REPEATS[2], activation)
        self.conv5 = ConvNormAct(fourth, options.last, 1, activation=activation)
        self.dropout = nn.Dropout(options.dropout)
        self.fc = nn.Linear(options.last, num_classes)
        self._initialise()

    def _initialise(self) -> None:
        # as the authors' code: by the number of input channels alone, whatever the kernel
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=1 / module.weight.shape[1])
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.bias, 1e-4)
        nn.init.normal_(self.conv1.get_parameter("0.weight"), std=0.01)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.maxpool(self.conv1(images))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(self.dropout(x.mean((2, 3))))  # type: ignore[no-any-return]


def _stage(inputs: int, outputs: int, repeats: int, activation: Module) -> nn.Module:
    units = [Unit(inputs, outputs, 2, activation)]
    units += [Unit(outputs, outputs, 1, activation) for _ in range(repeats - 1)]
    return nn.Sequential(*units)


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A ShuffleNetV2 for images of 224x224 pixels."""
    return ShuffleNetV2(options, num_classes, in_channels)


def layouts(options: Options) -> dict[str, Layout]:  # noqa: ARG001
    """Names of other projects; timm has no ShuffleNet."""
    # the branch of each convolution and its place there, its normalisation being the next
    places = (
        (r"_conv_dw_1", "branch1", 0),
        (r"_conv_linear_1", "branch1", 2),
        (r"_conv_pw(?:_2)?", "branch2", 0),
        (r"_conv_dw(?:_2)?", "branch2", 3),
        (r"_conv_linear(?:_2)?", "branch2", 5),
    )
    return {
        "paddle": paddle(
            (r"^_conv1\._conv\.", "conv1.0."),
            (r"^_conv1\._batch_norm\.", "conv1.1."),
            (r"^_last_conv\._conv\.", "conv5.0."),
            (r"^_last_conv\._batch_norm\.", "conv5.1."),
            (r"^_fc\.", "fc."),
            (r"^(\d+)_(\d+)\.", r"stage\1.{2-1}."),
            *((rf"\.{name}\._conv\.", f".{branch}.{place}.") for name, branch, place in places),
            *((rf"\.{name}\._batch_norm\.", f".{branch}.{place + 1}.") for name, branch, place in places),
        )
    }
