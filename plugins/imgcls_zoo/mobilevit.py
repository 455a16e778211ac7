"""MobileViT: Mehta, Rastegari, 2021, arXiv:2110.02178.

Names of parameters are those of the authors' release, cvnets.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from imgcls import Layout
from imgcls_zoo.blocks import ConvNormAct, attend, kaiming_normal_fan_out
from imgcls_zoo.blocks.convolution import Module
from imgcls_zoo.catalog.mobilevit import MobileViT as Options
from imgcls_zoo.translating import Pairs, paddle

HEADS = 4
PATCH = 2  # height and width; 2 in all of the paper's networks for classification


class Body(NamedTuple):
    """Channels and depths of a network.

    Attributes:
        stem: channels of the first convolution.
        expansion: of the inverted residuals.
        channels: of the five stages.
        repeats: inverted residuals of the second stage.
        widths: of the transformers in the last three stages.
        depths: of those transformers.
        last: channels of a 1x1 convolution before the pooling; 0: there is none.
    """

    stem: int
    expansion: int
    channels: tuple[int, int, int, int, int]
    repeats: int
    widths: tuple[int, int, int]
    depths: tuple[int, int, int]
    last: int


_BODIES = {
    "xx_small": Body(16, 2, (16, 24, 48, 64, 80), 3, (64, 80, 96), (2, 4, 3), 320),
    "x_small": Body(16, 4, (32, 48, 64, 80, 96), 3, (96, 120, 144), (2, 4, 3), 384),
    "small": Body(16, 4, (32, 64, 96, 128, 160), 3, (144, 192, 240), (2, 4, 3), 640),
}


class ConvLayer(nn.Sequential):
    """A convolution, its normalisation and swish, named as in cvnets: ``block.conv``, ``block.norm``."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        norm: Module | None = nn.BatchNorm2d,
        activation: Module | None = nn.SiLU,
    ) -> None:
        names = ("conv", "norm", "act")
        block = ConvNormAct(
            inputs, outputs, kernel, stride, groups=groups, norm=norm, activation=activation, names=names
        )
        super().__init__(OrderedDict(block=block))


def bare(inputs: int, outputs: int) -> nn.Module:
    """Return a 1x1 convolution without bias, normalisation or activation."""
    conv = nn.Conv2d(inputs, outputs, 1, bias=False)
    return nn.Sequential(OrderedDict(block=nn.Sequential(OrderedDict(conv=conv))))


class InvertedResidual(nn.Module):
    """MobileNetV2's block (arXiv:1801.04381) with swish."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.block = nn.Sequential(
            OrderedDict(
                exp_1x1=ConvLayer(inputs, width),
                conv_3x3=ConvLayer(width, width, 3, stride, groups=width),
                red_1x1=ConvLayer(width, outputs, activation=None),
            )
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return x + self.block(x) if self.shortcut else self.block(x)  # type: ignore[no-any-return]


class MultiHeadAttention(nn.Module):
    """Self-attention: Vaswani et al., 2017, arXiv:1706.03762."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, width) to the same shape."""
        return self.out_proj(attend(self.qkv_proj(x), HEADS))  # type: ignore[no-any-return]


class TransformerEncoder(nn.Module):
    """Attention and two fully connected layers, each after a layer normalisation and around a shortcut."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.pre_norm_mha = nn.Sequential(nn.LayerNorm(width), MultiHeadAttention(width), nn.Dropout(dropout))
        self.pre_norm_ffn = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.SiLU(),
            nn.Dropout(0.0),  # keeps the numbers of the authors' layers
            nn.Linear(2 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, width) to the same shape."""
        x = x + self.pre_norm_mha(x)
        return x + self.pre_norm_ffn(x)  # type: ignore[no-any-return]


def whole_patches(x: Tensor, align_corners: bool = False) -> Tensor:
    """Return the map, resized up where its height or width is not a multiple of a patch's."""
    height, width = (math.ceil(side / PATCH) * PATCH for side in x.shape[-2:])
    if (height, width) == tuple(x.shape[-2:]):
        return x
    return functional.interpolate(x, (height, width), mode="bilinear", align_corners=align_corners)


class MobileViTBlock(nn.Module):
    """Convolutions as transformers: Figure 1b.

    The tokens of one sequence are the pixels that have the same place in each patch: every pixel attends to one
    in every patch, and has seen its own patch through the 3x3 convolution.
    """

    def __init__(self, channels: int, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.local_rep = nn.Sequential(
            OrderedDict(conv_3x3=ConvLayer(channels, channels, 3), conv_1x1=bare(channels, width))
        )
        encoders = (TransformerEncoder(width, dropout) for _ in range(depth))
        self.global_rep = nn.Sequential(*encoders, nn.LayerNorm(width))
        self.conv_proj = ConvLayer(width, channels)
        self.fusion = ConvLayer(2 * channels, channels, 3)

    def globally(self, x: Tensor) -> Tensor:
        """Unfold, let the transformer see all, and fold: (N, width, H, W) to the same shape."""
        size = x.shape[-2:]
        x = whole_patches(x)
        n, width, rows, columns = x.shape[0], x.shape[1], x.shape[2] // PATCH, x.shape[3] // PATCH
        x = x.reshape(n, width, rows, PATCH, columns, PATCH).permute(0, 3, 5, 2, 4, 1)
        x = self.global_rep(x.reshape(n * PATCH * PATCH, rows * columns, width))
        x = x.view(n, PATCH, PATCH, rows, columns, width).permute(0, 5, 3, 1, 4, 2)
        x = x.reshape(n, width, rows * PATCH, columns * PATCH)
        if x.shape[-2:] != size:
            x = functional.interpolate(x, size, mode="bilinear", align_corners=False)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        seen = self.conv_proj(self.globally(self.local_rep(x)))
        return self.fusion(torch.cat((x, seen), 1))  # type: ignore[no-any-return]


class MobileViTNet(nn.Module):
    """A 3x3 convolution, five stages, pooling, a classifier: the frame of MobileViT, MobileViTV2 and V3.

    Args:
        body: channels and depths.
        block: makes the block at a stage's end of its channels, the transformer's width, and its depth.
        classifier: makes the last layers, by name, of the channels that are pooled.
        in_channels: of the images.
    """

    def __init__(
        self,
        body: Body,
        block: Callable[[int, int, int], nn.Module],
        classifier: Callable[[int], "OrderedDict[str, nn.Module]"],
        in_channels: int,
    ) -> None:
        super().__init__()
        first, second, *others = body.channels
        self.conv_1 = ConvLayer(in_channels, body.stem, 3, 2)
        self.layer_1 = nn.Sequential(InvertedResidual(body.stem, first, 1, body.expansion))
        self.layer_2 = nn.Sequential(
            InvertedResidual(first, second, 2, body.expansion),
            *(InvertedResidual(second, second, 1, body.expansion) for _ in range(body.repeats - 1)),
        )
        inputs = second
        stages = []
        for channels, width, depth in zip(others, body.widths, body.depths, strict=True):
            downsampling = InvertedResidual(inputs, channels, 2, body.expansion)
            stages.append(nn.Sequential(downsampling, block(channels, width, depth)))
            inputs = channels
        self.layer_3, self.layer_4, self.layer_5 = stages
        self.conv_1x1_exp = ConvLayer(inputs, body.last) if body.last else nn.Identity()
        self.classifier = nn.Sequential(classifier(body.last or inputs))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.layer_2(self.layer_1(self.conv_1(images)))
        x = self.layer_5(self.layer_4(self.layer_3(x)))
        return self.classifier(self.conv_1x1_exp(x).mean((2, 3)))  # type: ignore[no-any-return]


def head(num_classes: int, dropout: float, channels: int) -> "OrderedDict[str, nn.Module]":
    """Return dropout and a fully connected layer, ``fc``."""
    return OrderedDict(dropout=nn.Dropout(dropout), fc=nn.Linear(channels, num_classes))


def initialise(model: nn.Module) -> None:
    """Draw convolutions by the fan out, fully connected layers from a truncated normal of deviation 0.02."""
    kaiming_normal_fan_out(model)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A MobileViT for images of 256x256 pixels."""
    model = MobileViTNet(
        _BODIES[options.size],
        partial(MobileViTBlock, dropout=options.transformer_dropout),
        partial(head, num_classes, options.dropout),
        in_channels,
    )
    initialise(model)
    return model


def frame_from_timm(depths: tuple[int, int, int]) -> Pairs:
    """Return the pairs for what MobileViT and MobileViTV2 share in timm."""
    return (
        (r"\.bn\.", ".norm."),
        (r"^stem\.", "conv_1.block."),
        (r"^final_conv\.", "conv_1x1_exp.block."),
        *((rf"^stages\.{s}\.1\.norm\.", f"layer_{s + 1}.1.global_rep.{d}.") for s, d in enumerate(depths, 2)),
        (r"^stages\.(\d)\.", "layer_{1+1}."),
        (r"\.conv1_1x1\.", ".block.exp_1x1.block."),
        (r"\.conv2_kxk\.", ".block.conv_3x3.block."),
        (r"\.conv3_1x1\.", ".block.red_1x1.block."),
        (r"\.transformer\.", ".global_rep."),
        (r"\.conv_proj\.", ".conv_proj.block."),
        (r"\.conv_fusion\.", ".fusion.block."),
    )


def layouts(options: Options) -> dict[str, Layout]:
    """Names of other projects."""
    depths = _BODIES[options.size].depths
    return {
        "timm": Layout(
            rename=(
                *frame_from_timm(depths),
                (r"\.conv_kxk\.", ".local_rep.conv_3x3.block."),
                (r"\.conv_1x1\.weight", ".local_rep.conv_1x1.block.conv.weight"),
                (r"\.norm1\.", ".pre_norm_mha.0."),
                (r"\.attn\.qkv\.", ".pre_norm_mha.1.qkv_proj."),
                (r"\.attn\.proj\.", ".pre_norm_mha.1.out_proj."),
                (r"\.norm2\.", ".pre_norm_ffn.0."),
                (r"\.mlp\.fc1\.", ".pre_norm_ffn.1."),
                (r"\.mlp\.fc2\.", ".pre_norm_ffn.4."),
                (r"^head\.fc\.", "classifier.fc."),
            )
        ),
        "paddle": paddle(
            (r"^conv3x3\.", "conv_1.block."),
            (r"^conv1x1\.", "conv_1x1_exp.block."),
            (r"^linear\.", "classifier.fc."),
            (r"^mv2_block_1\.", "layer_1.0."),
            (r"^mv2_block_([234])\.", "layer_2.{1-2}."),
            (r"^mv2_block_([567])\.", "layer_{1-2}.0."),
            (r"^mvit_block_(\d)\.", "layer_{1+2}.1."),
            (r"\.conv\.0\.(conv|norm)\.", r".block.exp_1x1.block.\1."),
            (r"\.conv\.1\.(conv|norm)\.", r".block.conv_3x3.block.\1."),
            (r"\.conv\.2\.", ".block.red_1x1.block.conv."),
            (r"\.conv\.3\.", ".block.red_1x1.block.norm."),
            (r"\.conv1\.", ".local_rep.conv_3x3.block."),
            (r"\.conv2\.", ".local_rep.conv_1x1.block.conv."),
            (r"\.conv3\.", ".conv_proj.block."),
            (r"\.conv4\.", ".fusion.block."),
            *(
                (rf"^layer_{s}\.1\.transformer\.norm\.", f"layer_{s}.1.global_rep.{d}.")
                for s, d in enumerate(depths, 3)
            ),
            (r"\.transformer\.layers\.", ".global_rep."),
            (r"\.attn_norm\.", ".pre_norm_mha.0."),
            (r"\.attn\.qkv\.", ".pre_norm_mha.1.qkv_proj."),
            (r"\.attn\.proj\.", ".pre_norm_mha.1.out_proj."),
            (r"\.mlp_norm\.", ".pre_norm_ffn.0."),
            (r"\.mlp\.fc1\.", ".pre_norm_ffn.1."),
            (r"\.mlp\.fc2\.", ".pre_norm_ffn.4."),
        ),
    }
