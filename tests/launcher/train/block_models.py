"""Small models of repeated blocks, which plans of tests name: residual with batch norm, and a transformer."""

import torch
from torch import nn

from imgcls_zoo.blocks import DropPath


class Residual(nn.Module):
    """Two convolutions with batch norm beside a shortcut."""

    def __init__(self, width):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.drop_path = DropPath(0.2)

    def forward(self, x):
        return torch.relu(x + self.drop_path(self.branch(x)))


class Attention(nn.Module):
    """Self-attention and a perceptron, each behind a layer norm and beside a shortcut."""

    def __init__(self, width):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.attention = nn.MultiheadAttention(width, 2, dropout=0.1, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        y = self.norms[0](x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norms[1](x))


def residual(options, num_classes, in_channels):
    """A width that two ranks can share evenly and three cannot."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        Residual(8),
        Residual(8),
        nn.AdaptiveAvgPool2d((4, 1)),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(32, num_classes),
    )


def transformer(options, num_classes, in_channels):
    """16 tokens of 4x4 pixels."""

    class Tokens(nn.Conv2d):
        def forward(self, x):
            return super().forward(x).flatten(2).transpose(1, 2)

    return nn.Sequential(
        Tokens(in_channels, 12, 4, 4), Attention(12), Attention(12), nn.Flatten(), nn.Linear(192, num_classes)
    )
