"""Swin Transformer V2: Liu, Hu, Lin, Yao, Xie, Wei, Ning, Cao, Zhang, Dong, Wei, Guo, 2021, arXiv:2111.09883.

What is new against the first version: normalisation after each branch, cosine attention, and a position bias
that a small network computes from log-spaced coordinates. Names of parameters are torchvision's.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from imgcls import Layout
from imgcls_zoo import swin
from imgcls_zoo.blocks import zero_init
from imgcls_zoo.catalog.swin import Swin as FirstOptions
from imgcls_zoo.catalog.swin import SwinV2 as Options


class WindowAttention(swin.WindowAttention):
    """Cosine attention within windows, with a learned scale a head."""

    coordinates: Tensor
    q_bias: Tensor | None
    v_bias: Tensor | None

    def add_positions(self, options: FirstOptions, stage: int) -> None:
        """Make the network that computes the bias, the scales, and the biases of queries and values."""
        assert isinstance(options, Options)
        width = options.width << stage
        coordinates = log_spaced(self.window, options.trained_windows[stage] or self.window)
        self.register_buffer("coordinates", coordinates, persistent=False)
        self.cpb_mlp = nn.Sequential(nn.Linear(2, 512), nn.ReLU(), nn.Linear(512, self.heads, bias=False))
        self.logit_scale = nn.Parameter(torch.full((self.heads, 1, 1), math.log(10)))
        self.q_bias = self.v_bias = None
        if options.separate_biases:
            self.qkv = nn.Linear(width, 3 * width, bias=False)
            self.q_bias = nn.Parameter(torch.zeros(width))
            self.v_bias = nn.Parameter(torch.zeros(width))

    def table(self) -> Tensor:
        """Return the bias ((2 * window - 1)^2, heads) of each offset between two tokens."""
        return 16 * torch.sigmoid(self.cpb_mlp(self.coordinates).view(-1, self.heads))

    def project(self, x: Tensor) -> Tensor:
        """(..., width) to queries, keys and values side by side (..., 3 * width); keys have no bias."""
        if self.q_bias is not None and self.v_bias is not None:
            query_bias, value_bias = self.q_bias, self.v_bias
        else:
            query_bias, _, value_bias = self.qkv.bias.chunk(3)
        bias = torch.cat((query_bias, torch.zeros_like(query_bias), value_bias))
        return functional.linear(x, self.qkv.weight, bias)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """(N, windows * heads, window^2, width / heads) each, to the same shape."""
        scale = self.logit_scale.clamp(max=math.log(100)).exp().repeat(query.shape[1] // self.heads, 1, 1)
        query, key = functional.normalize(query, dim=-1) * scale, functional.normalize(key, dim=-1)
        dropout = self.attention_dropout if self.training else 0.0
        return functional.scaled_dot_product_attention(query, key, value, bias, dropout, scale=1.0)


def log_spaced(window: int, trained_window: int) -> Tensor:
    """Return the coordinates of each offset between two tokens: float32 (1, 2 * window - 1, 2 * window - 1, 2).

    Offsets of the window that was trained with lie in -8..8, and the logarithm to base 8 of one more than
    their size in -1.06..1.06; those of a larger window a little further out.
    """
    along = torch.arange(1 - window, window, dtype=torch.float32) * (8 / max(1, trained_window - 1))
    along = along.sign() * torch.log2(along.abs() + 1) / 3
    return torch.stack(torch.meshgrid(along, along, indexing="ij"), -1).unsqueeze(0)


class Block(swin.Block):
    """Attention and a feed-forward network, each normalised after and around a shortcut (res-post-norm)."""

    attention: ClassVar[type[swin.WindowAttention]] = WindowAttention

    def __init__(self, options: FirstOptions, stage: int, drop_path: float) -> None:
        super().__init__(options, stage, drop_path)
        if isinstance(options, Options) and options.zero_init_residual:
            zero_init(self.norm1, self.norm2)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(N, H, W, width) to the same shape."""
        x = x + self.drop_path(self.norm1(self.attn(x, mask)))
        return x + self.drop_path(self.norm2(self.mlp(x)))  # type: ignore[no-any-return]


class PatchMerging(nn.Module):
    """Four neighbours become one token of twice the width, normalised last."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(2 * width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, width) to (N, ceil(H / 2), ceil(W / 2), 2 * width)."""
        return self.norm(self.reduction(swin.neighbours(x)))  # type: ignore[no-any-return]


class SwinV2(swin.Swin):
    """The first version's stages, of the second version's parts."""

    block: ClassVar[type[swin.Block]] = Block
    merging: ClassVar[type[nn.Module]] = PatchMerging


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A Swin Transformer V2 for images of 256x256 or 384x384 pixels."""
    return SwinV2(options, num_classes, in_channels)


def layouts(options: Options) -> dict[str, Layout]:
    """Names of other projects: torchvision's have ``qkv.bias``, all others ``q_bias`` and ``v_bias``."""
    known = swin.layouts(options)
    torchvisions = {"own", "torchvision"}
    return {name: layout for name, layout in known.items() if (name in torchvisions) != options.separate_biases}
