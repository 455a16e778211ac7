"""PP-HGNet and PP-HGNetV2, Paddle's networks for GPUs: described in PaddleClas's documentation, not in a paper.

The backbones of RT-DETR, arXiv:2304.08069, and of D-FINE. Names of parameters are timm's, so that its weights load
as they are; PaddleClas's are a layout.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from imgcls import Layout
from imgcls_zoo.blocks import ConvNormAct, UnscaledDropout, paddle_start
from imgcls_zoo.catalog.pp_hgnet import PPHGNet as Options
from imgcls_zoo.catalog.pp_hgnet import PPHGNetV2 as OptionsV2
from imgcls_zoo.translating import paddle

# makes a layer of so many input and output channels
MakeLayer = Callable[[int, int], nn.Module]


class LearnableAffine(nn.Module):
    """One scale and one shift for all channels, learnt.

    Paddle trains them at a hundredth of the learning rate.
    Where only 1x1 convolutions with batch normalisation follow, the shift does nothing in training: it is taken
    out as part of the mean.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(...) to the same shape."""
        return self.scale * x + self.bias


def _conv(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] | None = nn.ReLU,
    affine: bool = False,
    same: bool = False,
) -> ConvNormAct:
    names = ("conv", "bn", "act")
    layer = ConvNormAct(
        inputs, outputs, kernel, stride, groups=groups, activation=activation, same=same, names=names
    )
    if affine and activation is not None:
        layer.add_module("lab", LearnableAffine())
    return layer


class LightConv(nn.Sequential):
    """A 1x1 convolution without activation, then a depthwise one."""

    def __init__(self, inputs: int, outputs: int, kernel: int, affine: bool) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, outputs, 1, activation=None)
        self.conv2 = _conv(outputs, outputs, kernel, groups=outputs, affine=affine)


class EffectiveSqueezeExcite(nn.Module):
    """Squeeze-and-excitation with one layer, which keeps the width: Lee and Park, 2019, arXiv:1911.06667."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        return x * self.conv(x.mean((2, 3), keepdim=True)).sigmoid()  # type: ignore[no-any-return]


class Block(nn.Module):
    """Layers one after another, whose outputs and whose input are concatenated and aggregated.

    Args:
        inputs, width, outputs: channels of the input, of each layer, of the output.
        depth: layers.
        layer: makes a layer.
        aggregation: makes what follows the concatenation.
        residual: whether the input is added to the output.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        outputs: int,
        depth: int,
        layer: MakeLayer,
        aggregation: MakeLayer,
        residual: bool,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layer(inputs if i == 0 else width, width) for i in range(depth))
        self.aggregation = aggregation(inputs + depth * width, outputs)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H, W)."""
        outputs = [x]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        y = self.aggregation(torch.cat(outputs, 1))
        return x + y if self.residual else y  # type: ignore[no-any-return]


class Stem(nn.Module):
    """PP-HGNet's: 3x3 convolutions, the first with a stride of 2, and a max pooling."""

    def __init__(self, in_channels: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        pairs = pairwise((in_channels, *widths))
        self.stem = nn.Sequential(*(_conv(i, o, 3, 2 if n == 0 else 1) for n, (i, o) in enumerate(pairs)))
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, widths[-1], H / 4, W / 4)."""
        return self.pool(self.stem(images))  # type: ignore[no-any-return]


class StemV2(nn.Module):
    """PP-HGNetV2's: two 2x2 convolutions beside a max pooling, between two 3x3 ones with a stride of 2."""

    def __init__(self, in_channels: int, width: int, outputs: int, affine: bool) -> None:
        super().__init__()
        self.stem1 = _conv(in_channels, width, 3, 2, affine=affine)
        self.stem2a = _conv(width, width // 2, 2, affine=affine, same=True)
        self.stem2b = _conv(width // 2, width, 2, affine=affine, same=True)
        self.stem3 = _conv(width * 2, width, 3, 2, affine=affine)
        self.stem4 = _conv(width, outputs, 1, affine=affine)
        self.pool = nn.MaxPool2d(2, stride=1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, outputs, H / 4, W / 4)."""
        x = self.stem1(images)
        # windows at the bottom and at the right are cut off at the image's edge
        pooled = self.pool(functional.pad(x, (0, 1, 0, 1), value=float("-inf")))
        x = torch.cat((pooled, self.stem2b(self.stem2a(x))), 1)
        return self.stem4(self.stem3(x))  # type: ignore[no-any-return]


class Stage(nn.Sequential):
    """Blocks, all but the first with a shortcut; before them, but in the first stage, a depthwise stride of 2."""

    def __init__(self, channels: int, downsample: bool, blocks: list[Block]) -> None:
        super().__init__()
        if downsample:
            self.downsample = _conv(channels, channels, 3, 2, groups=channels, activation=None)
        self.blocks = nn.Sequential(*blocks)


class Head(nn.Module):
    """Global average pooling, a layer of 2,048 channels, a classifier."""

    def __init__(self, channels: int, num_classes: int, dropout: float, affine: bool) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.last_conv = nn.Sequential(nn.Conv2d(channels, 2048, 1, bias=False), nn.ReLU(inplace=True))
        if affine:
            self.last_conv.append(LearnableAffine())
        self.dropout = UnscaledDropout(dropout)
        self.fc = nn.Linear(2048, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, num_classes)."""
        return self.fc(self.dropout(self.last_conv(self.avgpool(x)).flatten(1)))  # type: ignore[no-any-return]


class PPHGNet(nn.Module):
    """A stem, four stages of densely aggregated blocks, a head.

    Args:
        stem: from the images to ``channels``.
        channels: after the stem.
        options: of either version.
        layers: of each stage, makes a block's layers.
        aggregation: makes what ends a block.
        affine: whether the head has a learnable affine layer.
        num_classes: of the logits.
    """

    def __init__(
        self,
        stem: nn.Module,
        channels: int,
        options: Options | OptionsV2,
        layers: list[MakeLayer],
        aggregation: MakeLayer,
        affine: bool,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.Sequential()
        per_stage = zip(options.widths, options.outputs, options.blocks, layers, strict=True)
        for i, (width, outputs, count, layer) in enumerate(per_stage):
            depth = options.layers
            blocks = [Block(channels, width, outputs, depth, layer, aggregation, residual=False)]
            blocks += [Block(outputs, width, outputs, depth, layer, aggregation, True) for _ in range(count - 1)]
            self.stages.append(Stage(channels, i > 0, blocks))
            channels = outputs
        self.head = Head(channels, num_classes, options.dropout, affine)
        paddle_start(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        return self.head(self.stages(self.stem(images)))  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A PP-HGNet for images of 224x224 pixels."""

    def aggregation(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(_conv(inputs, outputs, 1), EffectiveSqueezeExcite(outputs))

    def layer(inputs: int, outputs: int) -> nn.Module:
        return _conv(inputs, outputs, 3)

    stem = Stem(in_channels, options.stem)
    return PPHGNet(stem, options.stem[-1], options, [layer] * 4, aggregation, False, num_classes)


def build_v2(options: OptionsV2, num_classes: int, in_channels: int) -> nn.Module:
    """A PP-HGNetV2 for images of 224x224 pixels."""
    affine = options.affine

    def aggregation(inputs: int, outputs: int) -> nn.Module:
        half = outputs // 2
        return nn.Sequential(_conv(inputs, half, 1, affine=affine), _conv(half, outputs, 1, affine=affine))

    def plain(inputs: int, outputs: int) -> nn.Module:
        return _conv(inputs, outputs, 3, affine=affine)

    def light(inputs: int, outputs: int) -> nn.Module:
        return LightConv(inputs, outputs, 5, affine)

    stem = StemV2(in_channels, *options.stem, affine)
    layers: list[MakeLayer] = [plain, plain, light, light]
    return PPHGNet(stem, options.stem[-1], options, layers, aggregation, affine, num_classes)


def layouts(options: Options | OptionsV2) -> dict[str, Layout]:
    """Names of other projects; timm's are these."""
    stem = ((r"^stem\.", "stem.stem."),) if isinstance(options, Options) else ()
    return {
        "paddle": paddle(
            *stem,
            (r"\.aggregation_conv\.", ".aggregation.0."),
            (r"\.att\.", ".aggregation.1."),
            (r"\.aggregation_squeeze_conv\.", ".aggregation.0."),
            (r"\.aggregation_excitation_conv\.", ".aggregation.1."),
            (r"^last_conv\.", "head.last_conv.0."),
            (r"^lab\.", "head.last_conv.2."),
            (r"^fc\.", "head.fc."),
        )
    }
