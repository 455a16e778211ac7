"""MobileViTV2: Mehta, Rastegari, 2022, Separable self-attention for mobile vision transformers, arXiv:2206.02680.

Names of parameters are those of the authors' release, cvnets.
"""

from collections import OrderedDict
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from imgcls import Layout
from imgcls_zoo.blocks import make_divisible
from imgcls_zoo.catalog.mobilevit_v2 import MobileViTV2 as Options
from imgcls_zoo.mobilevit import PATCH, Body, ConvLayer, MobileViTNet, bare, frame_from_timm, whole_patches
from imgcls_zoo.translating import paddle

DEPTHS = (2, 4, 3)


class LinearSelfAttention(nn.Module):
    """Separable self-attention, Figure 4c: the cost grows linearly with the number of tokens.

    Each token has one score; the softmax over the tokens weighs their keys to a single context vector, which
    scales each token's value.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.qkv_proj = ConvLayer(width, 1 + 2 * width, norm=None, activation=None)
        self.out_proj = ConvLayer(width, width, norm=None, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, pixels of a patch, patches) to the same shape: tokens are the patches."""
        query, key, value = self.qkv_proj(x).split((1, self.width, self.width), dim=1)
        context = (key * query.softmax(-1)).sum(-1, keepdim=True)
        return self.out_proj(functional.relu(value) * context)  # type: ignore[no-any-return]


class LinearAttnFFN(nn.Module):
    """Separable attention and two 1x1 convolutions, each after a normalisation and around a shortcut."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        hidden = 2 * width // 16 * 16
        self.pre_norm_attn = nn.Sequential(nn.GroupNorm(1, width), LinearSelfAttention(width), nn.Dropout(dropout))
        self.pre_norm_ffn = nn.Sequential(
            nn.GroupNorm(1, width),
            ConvLayer(width, hidden, norm=None),
            nn.Dropout(0.0),  # keeps the numbers of the authors' layers
            ConvLayer(hidden, width, norm=None, activation=None),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, pixels of a patch, patches) to the same shape."""
        x = x + self.pre_norm_attn(x)
        return x + self.pre_norm_ffn(x)  # type: ignore[no-any-return]


class MobileViTV2Block(nn.Module):
    """A depthwise convolution for what is near, separable attention for all, and no fusion with the input."""

    def __init__(self, channels: int, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.local_rep = nn.Sequential(ConvLayer(channels, channels, 3, groups=channels), bare(channels, width))
        layers = (LinearAttnFFN(width, dropout) for _ in range(depth))
        self.global_rep = nn.Sequential(*layers, nn.GroupNorm(1, width))
        self.conv_proj = ConvLayer(width, channels, activation=None)

    def globally(self, x: Tensor) -> Tensor:
        """Unfold, let the layers see all, and fold: (N, width, H, W), both even, to the same shape."""
        n, width, rows, columns = x.shape[0], x.shape[1], x.shape[2] // PATCH, x.shape[3] // PATCH
        x = x.reshape(n, width, rows, PATCH, columns, PATCH).permute(0, 1, 3, 5, 2, 4)
        x = self.global_rep(x.reshape(n, width, PATCH * PATCH, rows * columns))
        x = x.reshape(n, width, PATCH, PATCH, rows, columns).permute(0, 1, 4, 2, 5, 3)
        return x.reshape(n, width, rows * PATCH, columns * PATCH)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, channels, H, W), H and W rounded up to even numbers."""
        return self.conv_proj(self.globally(self.local_rep(whole_patches(x, True))))  # type: ignore[no-any-return]


def body(width: float) -> Body:
    """Return the channels of a width: Table 1 of the paper's appendix is that of 1."""
    stem = make_divisible(min(max(32 * width, 16), 64), 8, 16)
    first = make_divisible(64 * width, 16)
    second, third, fourth, fifth = (make_divisible(channels * width) for channels in (128, 256, 384, 512))
    third_width, fourth_width, fifth_width = (make_divisible(channels * width) for channels in (128, 192, 256))
    return Body(
        stem=stem,
        expansion=2,
        channels=(first, second, third, fourth, fifth),
        repeats=2,
        widths=(third_width, fourth_width, fifth_width),
        depths=DEPTHS,
        last=0,
    )


def head(num_classes: int, dropout: float, channels: int) -> "OrderedDict[str, nn.Module]":
    """Return dropout and a fully connected layer, whose number is the authors'."""
    return OrderedDict({"0": nn.Dropout(dropout), "1": nn.Linear(channels, num_classes)})


def initialise(model: nn.Module) -> None:
    """Draw fully connected layers as Glorot, Bengio, 2010; convolutions stay as torch draws them."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A MobileViTV2 for images of 256x256 pixels."""
    model = MobileViTNet(
        body(options.width),
        partial(MobileViTV2Block, dropout=options.transformer_dropout),
        partial(head, num_classes, options.dropout),
        in_channels,
    )
    initialise(model)
    return model


def layouts(options: Options) -> dict[str, Layout]:  # noqa: ARG001
    """Names of other projects."""
    return {
        "timm": Layout(
            rename=(
                *frame_from_timm(DEPTHS),
                (r"\.conv_kxk\.", ".local_rep.0.block."),
                (r"\.conv_1x1\.weight", ".local_rep.1.block.conv.weight"),
                (r"\.norm1\.", ".pre_norm_attn.0."),
                (r"\.attn\.(qkv|out)_proj\.", r".pre_norm_attn.1.\1_proj.block.conv."),
                (r"\.norm2\.", ".pre_norm_ffn.0."),
                (r"\.mlp\.fc1\.", ".pre_norm_ffn.1.block.conv."),
                (r"\.mlp\.fc2\.", ".pre_norm_ffn.3.block.conv."),
                (r"^head\.fc\.", "classifier.1."),
            )
        ),
        "paddle": paddle(
            (r"\.(conv|norm)\.", r".block.\1."),
            (r"\.(qkv|out)_proj\.", r".\1_proj.block.conv."),
            (r"\.pre_norm_ffn\.1\.", ".pre_norm_ffn.1.block.conv."),
            (r"\.pre_norm_ffn\.4\.", ".pre_norm_ffn.3.block.conv."),
            (r"^classifier\.fc\.", "classifier.1."),
        ),
    }
