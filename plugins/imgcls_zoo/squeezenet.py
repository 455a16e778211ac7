"""SqueezeNet: Iandola et al., 2016, SqueezeNet: AlexNet-level accuracy with 50x fewer ..., arXiv:1602.07360.

Names of parameters are torchvision's, so that its published weights load as they are.
"""

import torch
from torch import Tensor, nn

from imgcls_zoo.catalog.squeezenet import SqueezeNet as Options


class Fire(nn.Module):
    """A 1x1 convolution that squeezes, then 1x1 and 3x3 convolutions side by side that expand."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 2 * expanded, H, W)."""
        x = self.relu(self.squeeze(x))
        return self.relu(torch.cat((self.expand1x1(x), self.expand3x3(x)), 1))  # type: ignore[no-any-return]


class SqueezeNet(nn.Module):
    """A stem, eight fire modules with pooling between (``features``), a convolution to classes, their mean."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        first, later = options.version == "1.0", options.version != "1.0"
        stem = nn.Conv2d(in_channels, 96, 7, stride=2) if first else nn.Conv2d(in_channels, 64, 3, stride=2)
        layers = [
            stem,
            nn.ReLU(inplace=True),
            _pool(),
            Fire(stem.out_channels, 16, 64),
            Fire(128, 16, 64),
            *([_pool()] if later else []),
            Fire(128, 32, 128),
            *([_pool()] if first else []),
            Fire(256, 32, 128),
            *([_pool()] if later else []),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            *([_pool()] if first else []),
            Fire(512, 64, 256),
        ]
        self.features = nn.Sequential(*layers)
        final = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(options.dropout), final, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(1)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(final.weight, std=0.01)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes), none below zero, of float images (N, in_channels, H, W)."""
        return self.classifier(self.features(images))  # type: ignore[no-any-return]


def _pool() -> nn.Module:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)  # sizes round up, as in Caffe


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A SqueezeNet for images of 224x224 pixels."""
    return SqueezeNet(options, num_classes, in_channels)
