"""Inception v4: Szegedy, Ioffe, Vanhoucke, Alemi, 2016, Inception-v4, Inception-ResNet ..., arXiv:1602.07261.

Names of parameters are those of the common conversion of the authors' weights (Cadene's, and timm's).
"""

import torch
from torch import Tensor, nn

from imgcls_zoo.blocks import Concatenate
from imgcls_zoo.blocks.convolution import Module
from imgcls_zoo.catalog.inception_v4 import InceptionV4 as Options
from imgcls_zoo.googlenet import convolution
from imgcls_zoo.inception_v3 import initialise


def _max_pool() -> nn.Module:
    return nn.MaxPool2d(3, stride=2)


def _pooled(conv: Module, inputs: int, outputs: int) -> nn.Module:
    pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return nn.Sequential(pool, conv(inputs, outputs, 1))


def stem(conv: Module, in_channels: int) -> list[nn.Module]:
    """The paper's Figure 3: to 384 channels of 35x35 at 299 pixels."""
    return [
        conv(in_channels, 32, 3, stride=2, padding=0),
        conv(32, 32, 3, padding=0),
        conv(32, 64, 3),
        Concatenate({"maxpool": _max_pool(), "conv": conv(64, 96, 3, stride=2, padding=0)}),
        Concatenate(
            {
                "branch0": nn.Sequential(conv(160, 64, 1), conv(64, 96, 3, padding=0)),
                "branch1": nn.Sequential(
                    conv(160, 64, 1), conv(64, 64, (1, 7)), conv(64, 64, (7, 1)), conv(64, 96, 3, padding=0)
                ),
            }
        ),
        Concatenate({"conv": conv(192, 192, 3, stride=2, padding=0), "maxpool": _max_pool()}),
    ]


def inception_a(conv: Module) -> nn.Module:
    """The paper's Figure 4: 384 channels to as many, of 35x35."""
    return Concatenate(
        {
            "branch0": conv(384, 96, 1),
            "branch1": nn.Sequential(conv(384, 64, 1), conv(64, 96, 3)),
            "branch2": nn.Sequential(conv(384, 64, 1), conv(64, 96, 3), conv(96, 96, 3)),
            "branch3": _pooled(conv, 384, 96),
        }
    )


def reduction_a(conv: Module) -> nn.Module:
    """The paper's Figure 7: 384 channels to 1024, of 17x17."""
    return Concatenate(
        {
            "branch0": conv(384, 384, 3, stride=2, padding=0),
            "branch1": nn.Sequential(conv(384, 192, 1), conv(192, 224, 3), conv(224, 256, 3, stride=2, padding=0)),
            "branch2": _max_pool(),
        }
    )


def inception_b(conv: Module) -> nn.Module:
    """The paper's Figure 5: 1024 channels to as many, of 17x17."""
    return Concatenate(
        {
            "branch0": conv(1024, 384, 1),
            "branch1": nn.Sequential(conv(1024, 192, 1), conv(192, 224, (1, 7)), conv(224, 256, (7, 1))),
            "branch2": nn.Sequential(
                conv(1024, 192, 1),
                conv(192, 192, (7, 1)),
                conv(192, 224, (1, 7)),
                conv(224, 224, (7, 1)),
                conv(224, 256, (1, 7)),
            ),
            "branch3": _pooled(conv, 1024, 128),
        }
    )


def reduction_b(conv: Module) -> nn.Module:
    """The paper's Figure 8: 1024 channels to 1536, of 8x8."""
    return Concatenate(
        {
            "branch0": nn.Sequential(conv(1024, 192, 1), conv(192, 192, 3, stride=2, padding=0)),
            "branch1": nn.Sequential(
                conv(1024, 256, 1),
                conv(256, 256, (1, 7)),
                conv(256, 320, (7, 1)),
                conv(320, 320, 3, stride=2, padding=0),
            ),
            "branch2": _max_pool(),
        }
    )


class InceptionC(nn.Module):
    """The paper's Figure 6: 1536 channels to as many, of 8x8."""

    def __init__(self, conv: Module) -> None:
        super().__init__()
        self.branch0 = conv(1536, 256, 1)
        self.branch1_0 = conv(1536, 384, 1)
        self.branch1_1a = conv(384, 256, (1, 3))
        self.branch1_1b = conv(384, 256, (3, 1))
        self.branch2_0 = conv(1536, 384, 1)
        self.branch2_1 = conv(384, 448, (3, 1))
        self.branch2_2 = conv(448, 512, (1, 3))
        self.branch2_3a = conv(512, 256, (1, 3))
        self.branch2_3b = conv(512, 256, (3, 1))
        self.branch3 = _pooled(conv, 1536, 256)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1536, H, W) to the same shape."""
        first = self.branch1_0(x)
        second = self.branch2_2(self.branch2_1(self.branch2_0(x)))
        branches = (
            self.branch0(x),
            self.branch1_1a(first),
            self.branch1_1b(first),
            self.branch2_3a(second),
            self.branch2_3b(second),
            self.branch3(x),
        )
        return torch.cat(branches, 1)


class InceptionV4(nn.Module):
    """The paper's Figure 9: a stem, 4 modules A, 7 modules B, 3 modules C, reductions between, a classifier."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        conv = convolution(options.norm_eps)
        self.features = nn.Sequential(
            *stem(conv, in_channels),
            *(inception_a(conv) for _ in range(4)),
            reduction_a(conv),
            *(inception_b(conv) for _ in range(7)),
            reduction_b(conv),
            *(InceptionC(conv) for _ in range(3)),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(options.dropout)
        self.last_linear = nn.Linear(1536, num_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W) of at least 75 pixels."""
        x = self.pool(self.features(images)).flatten(1)
        return self.last_linear(self.dropout(x))  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """An Inception v4 for images of 299x299 pixels."""
    return InceptionV4(options, num_classes, in_channels)
