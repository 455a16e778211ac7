"""ResNet-D's stem and shortcut: He et al., 2018, Bag of tricks for image classification, arXiv:1812.01187."""

from torch import nn


def deep_stem(in_channels: int, width: int, outputs: int) -> nn.Sequential:
    """Return three 3x3 convolutions, the first with a stride of 2, in place of ResNet's one 7x7.

    The last one's normalisation and activation are left to the network, whose ``bn1`` and ``relu`` they are.
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, outputs, 3, padding=1, bias=False),
    )


def averaged_projection(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Return a shortcut's 1x1 convolution that sees every pixel: the stride is an average pooling before it."""
    pool = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
    return nn.Sequential(pool, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
