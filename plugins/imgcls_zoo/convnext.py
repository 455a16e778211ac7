"""ConvNeXt: Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, 2022, A ConvNet for the 2020s, arXiv:2201.03545.

Names of parameters are torchvision's, so that its published weights load as they are.
"""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.blocks import DropPath, LayerNorm2d, drop_path_rates, truncated_normal
from imgcls_zoo.catalog.convnext import ConvNeXt as Options
from imgcls_zoo.translating import Pairs, paddle

_norm2d = partial(LayerNorm2d, eps=1e-6)


class Permute(nn.Module):
    """Puts the axes of a tensor in another order."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """Return a view."""
        return x.permute(self.axes)


class Block(nn.Module):
    """A depthwise 7x7 convolution, then an inverted bottleneck of 1x1 convolutions, beside a shortcut.

    The 1x1 convolutions are fully connected layers over pixels with their channels last.
    """

    def __init__(self, width: int, layer_scale: float, drop_path: float) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(width, width, 7, padding=3, groups=width),
            Permute(0, 2, 3, 1),
            nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            Permute(0, 3, 1, 2),
        )
        self.layer_scale = nn.Parameter(torch.full((width, 1, 1), layer_scale))
        self.stochastic_depth = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to the same shape."""
        return x + self.stochastic_depth(self.layer_scale * self.block(x))  # type: ignore[no-any-return]


class ConvNeXt(nn.Module):
    """A patchify stem, four stages with a halving of the grid between them, pooling, a classifier."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(*_features(options, in_channels))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = options.widths[-1]
        head = nn.Linear(last, num_classes)
        self.classifier = nn.Sequential(_norm2d(last), nn.Flatten(1), head)
        truncated_normal(self)
        with torch.no_grad():
            head.weight.mul_(options.head_init_scale)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        return self.classifier(self.avgpool(self.features(images)))  # type: ignore[no-any-return]

    def adapted(self, name: str, value: Tensor) -> Tensor | None:
        """Return another project's layer scale, a number a channel, in the shape it has here."""
        fits = name.endswith(".layer_scale") and value.numel() == self.get_parameter(name).numel()
        return value.reshape(-1, 1, 1) if fits else None


def _features(options: Options, in_channels: int) -> Iterator[nn.Module]:
    rates = iter(drop_path_rates(options.drop_path, sum(options.depths)))
    before = 0
    for width, depth in zip(options.widths, options.depths, strict=True):
        if before:
            yield nn.Sequential(_norm2d(before), nn.Conv2d(before, width, 2, stride=2))
        else:
            yield nn.Sequential(nn.Conv2d(in_channels, width, 4, stride=4), _norm2d(width))
        yield nn.Sequential(*(Block(width, options.layer_scale, next(rates)) for _ in range(depth)))
        before = width


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A ConvNeXt for images of any size from 32x32 pixels."""
    return ConvNeXt(options, num_classes, in_channels)


def layouts(_options: Options) -> dict[str, Layout]:
    """Names of other projects. All have layer scales of one axis, which the model's ``adapted`` makes fit."""
    authors = (
        *_places("downsample_layers.{}.", "stages.{}."),
        *_inside(r"\.dwconv\.", r"\.pwconv1\.", r"\.pwconv2\."),
        (r"^norm\.", "classifier.0."),
        (r"^head\.", "classifier.2."),
    )
    timm = (
        (r"^stem\.", "features.0."),
        *_places("stages.{}.downsample.", "stages.{}.blocks."),
        *_inside(r"\.conv_dw\.", r"\.mlp\.fc1\.", r"\.mlp\.fc2\."),
        (r"^head\.norm\.", "classifier.0."),
        (r"^head\.fc\.", "classifier.2."),
    )
    return {"authors": Layout(rename=authors), "timm": Layout(rename=timm), "paddle": paddle(*authors)}


def _places(between: str, stage: str) -> Pairs:
    """Return the pairs that turn what is numbered by stage into torchvision's one sequence of eight."""
    stages = ((name.format(i), 2 * i + odd) for i in range(4) for odd, name in ((0, between), (1, stage)))
    return tuple(("^" + name.replace(".", r"\."), f"features.{place}.") for name, place in stages)


def _inside(depthwise: str, first: str, second: str) -> Pairs:
    """Return the pairs for what is in a block, whose stage has its name already."""
    return (
        (depthwise, ".block.0."),
        (r"^(features\.\d\.\d+)\.norm\.", r"\1.block.2."),
        (first, ".block.3."),
        (second, ".block.5."),
        (r"\.gamma$", ".layer_scale"),
    )
