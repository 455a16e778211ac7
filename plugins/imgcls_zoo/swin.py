"""Swin Transformer: Liu, Lin, Cao, Hu, Wei, Zhang, Lin, Guo, 2021, arXiv:2103.14030.

Names of parameters are torchvision's. Tokens lie as (N, H, W, width) throughout, which is how layer
normalisations and fully connected layers want them.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from imgcls import Layout
from imgcls_zoo.blocks import DropPath, Mlp, drop_path_rates, truncated_normal
from imgcls_zoo.catalog.swin import Swin as Options
from imgcls_zoo.translating import Pairs, paddle


class WindowAttention(nn.Module):
    """Self-attention within windows (W-MSA), with a bias for each relative position.

    Given a mask, the windows lie half a window further down and to the right (SW-MSA).
    """

    offsets: Tensor

    def __init__(self, options: Options, stage: int) -> None:
        super().__init__()
        width = options.width << stage
        self.heads = options.heads[stage]
        self.window = options.windows[stage]
        self.attention_dropout = options.attention_dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.drop = nn.Dropout(options.dropout)
        self.register_buffer("offsets", relative_positions(self.window), persistent=False)
        self.add_positions(options, stage)

    def add_positions(self, options: Options, stage: int) -> None:
        """Make the parameters of the relative position bias."""
        offsets = 2 * options.windows[stage] - 1
        self.relative_position_bias_table = nn.Parameter(torch.empty(offsets**2, options.heads[stage]))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def table(self) -> Tensor:
        """Return the bias ((2 * window - 1)^2, heads) of each offset between two tokens."""
        return self.relative_position_bias_table

    def project(self, x: Tensor) -> Tensor:
        """(..., width) to queries, keys and values side by side (..., 3 * width)."""
        return self.qkv(x)  # type: ignore[no-any-return]

    def attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """(N, windows * heads, window^2, width / heads) each, to the same shape."""
        dropout = self.attention_dropout if self.training else 0.0
        return functional.scaled_dot_product_attention(query, key, value, bias, dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(N, H, W, width) to the same shape; the mask is that of :func:`shift_mask`."""
        n, height, width, _ = x.shape
        window, area = self.window, self.window**2
        below, right = -height % window, -width % window
        if below or right:
            x = functional.pad(x, (0, 0, 0, right, 0, below))
        down, across = shifts(height, width, window)
        if mask is not None:
            x = torch.roll(x, (-down, -across), (1, 2))
        rows, columns = x.shape[1] // window, x.shape[2] // window

        # the windows go with the heads, not with the batch: the bias of each is then shared by all images
        bias = self.table().T.index_select(1, self.offsets).view(self.heads, area, area)
        bias = bias.expand(rows * columns, -1, -1, -1) if mask is None else bias + mask.unsqueeze(1)
        qkv = self.project(x).view(n, rows, window, columns, window, 3, self.heads, -1)
        qkv = qkv.permute(5, 0, 1, 3, 6, 2, 4, 7).reshape(3, n, rows * columns * self.heads, area, -1)
        query, key, value = qkv.unbind(0)
        x = self.attend(query, key, value, bias.flatten(0, 1).unsqueeze(0))
        x = x.view(n, rows, columns, self.heads, window, window, -1).permute(0, 1, 4, 2, 5, 3, 6)
        x = x.reshape(n, rows * window, columns * window, -1)

        if mask is not None:
            x = torch.roll(x, (down, across), (1, 2))
        if below or right:
            x = x[:, :height, :width]
        return self.drop(self.proj(x))  # type: ignore[no-any-return]


def relative_positions(window: int) -> Tensor:
    """Return the row of the bias table for each pair of a window's tokens, int64 (window^4,), row by row."""
    along = torch.arange(window)
    y, x = torch.meshgrid(along, along, indexing="ij")
    y, x = y.flatten(), x.flatten()
    down, across = y[:, None] - y[None] + window - 1, x[:, None] - x[None] + window - 1
    return (down * (2 * window - 1) + across).flatten()


def shifts(height: int, width: int, window: int) -> tuple[int, int]:
    """Return by how many rows and columns windows are shifted: half a window, where there is more than one."""
    return window // 2 if height > window else 0, window // 2 if width > window else 0


def shift_mask(x: Tensor, window: int) -> Tensor | None:
    """Return what keeps tokens apart that only the cyclic shift brought into one window.

    Args:
        x: (N, H, W, width), tokens.
        window: side in tokens.

    Returns:
        (windows, window^2, window^2) of 0 and -100, the authors' value; None where nothing is shifted.
    """
    down, across = shifts(x.shape[1], x.shape[2], window)
    if not down and not across:
        return None
    height, width = x.shape[1] + -x.shape[1] % window, x.shape[2] + -x.shape[2] % window
    y, x_ = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    row_region = (y >= height - window).long() + (y >= height - down)
    column_region = (x_ >= width - window).long() + (x_ >= width - across)
    region = 3 * row_region[:, None] + column_region[None]
    region = region.view(height // window, window, width // window, window).transpose(1, 2).reshape(-1, window**2)
    apart = region.unsqueeze(1) != region.unsqueeze(2)
    return x.new_zeros(apart.shape).masked_fill(apart, -100.0)


class Block(nn.Module):
    """Attention and a feed-forward network, each normalised before and around a shortcut."""

    attention: ClassVar[type[WindowAttention]] = WindowAttention

    def __init__(self, options: Options, stage: int, drop_path: float) -> None:
        super().__init__()
        width = options.width << stage
        self.norm1 = nn.LayerNorm(width)
        self.attn = self.attention(options, stage)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width, dropout=options.dropout, names=("0", "3"))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(N, H, W, width) to the same shape."""
        x = x + self.drop_path(self.attn(self.norm1(x), mask))
        return x + self.drop_path(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


class Stage(nn.Sequential):
    """Blocks at one resolution; the windows of every second are shifted."""

    def __init__(self, blocks: Sequence[Block], window: int) -> None:
        super().__init__(*blocks)
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, width) to the same shape."""
        mask = shift_mask(x, self.window)
        for number, block in enumerate(self):
            x = block(x, mask if number % 2 else None)
        return x


class PatchPartition(nn.Sequential):
    """Patches of 4x4 pixels, embedded by a convolution and normalised."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__(OrderedDict({"0": nn.Conv2d(in_channels, width, 4, 4), "2": nn.LayerNorm(width)}))

    def forward(self, images: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, H / 4, W / 4, width)."""
        embed, norm = self
        return norm(embed(images).permute(0, 2, 3, 1))  # type: ignore[no-any-return]


class PatchMerging(nn.Module):
    """Four neighbours become one token of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, width) to (N, ceil(H / 2), ceil(W / 2), 2 * width)."""
        return self.reduction(self.norm(neighbours(x)))  # type: ignore[no-any-return]


def neighbours(x: Tensor) -> Tensor:
    """(N, H, W, width) to (N, ceil(H / 2), ceil(W / 2), 4 * width): column by column of each 2x2 tokens."""
    n, height, width, channels = x.shape
    if height % 2 or width % 2:
        x = functional.pad(x, (0, 0, 0, width % 2, 0, height % 2))
    x = x.view(n, -(-height // 2), 2, -(-width // 2), 2, channels)
    return x.permute(0, 1, 3, 4, 2, 5).flatten(3)


class Swin(nn.Module):
    """Patch partition, four stages with patch merging between, global average pooling, a classifier."""

    block: ClassVar[type[Block]] = Block
    merging: ClassVar[type[nn.Module]] = PatchMerging

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        rates = iter(drop_path_rates(options.drop_path, sum(options.depths)))
        features: list[nn.Module] = [PatchPartition(in_channels, options.width)]
        for stage, depth in enumerate(options.depths):
            if stage > 0:
                features.append(self.merging(options.width << (stage - 1)))
            blocks = [self.block(options, stage, next(rates)) for _ in range(depth)]
            features.append(Stage(blocks, options.windows[stage]))
        self.features = nn.Sequential(*features)
        self.norm = nn.LayerNorm(options.width << 3)
        self.head = nn.Linear(options.width << 3, num_classes)
        for part in (*features[1:], self.head):  # the first convolution stays as torch makes it
            truncated_normal(part)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        return self.head(self.norm(self.features(images)).mean((1, 2)))  # type: ignore[no-any-return]

    def adapted(self, name: str, value: Tensor) -> Tensor | None:
        """Return a file's biases for windows of another size, interpolated; None for any other tensor."""
        if not name.endswith("relative_position_bias_table") or math.isqrt(len(value)) ** 2 != len(value):
            return None
        return resized_table(value, math.isqrt(self.get_parameter(name).shape[0]))


def resized_table(table: Tensor, side: int) -> Tensor:
    """(k^2, heads) to (side^2, heads), by bicubic interpolation over the offsets, as the paper does."""
    offsets = math.isqrt(table.shape[0])
    grid = table.T.view(1, -1, offsets, offsets).float()
    grid = functional.interpolate(grid, (side, side), mode="bicubic", align_corners=False)
    return grid.flatten(2)[0].T.to(table.dtype)


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A Swin Transformer for images of 224x224 or 384x384 pixels."""
    return Swin(options, num_classes, in_channels)


# what follows from the window's side alone is in other projects' files, and is computed here
_COMPUTED = (r"\.relative_position_index$", r"\.relative_coords_table$", r"\.attn_mask$")
TORCHVISION = Layout(leave_out=_COMPUTED)


def stages(depths: Sequence[int], downsample: int) -> Pairs:
    """Return the pairs for the authors' names of stages.

    Args:
        depths: blocks in each stage.
        downsample: number of the layer that the first patch merging is named in: 0 where it ends the
            stage, 1 where it begins one.
    """
    return (
        (r"^patch_embed\.proj\.", "features.0.0."),
        (r"^patch_embed\.norm\.", "features.0.2."),
        *((rf"^layers\.{i}\.blocks\.", f"features.{2 * i + 1}.") for i in range(len(depths))),
        *((rf"^layers\.{i + downsample}\.downsample\.", f"features.{2 * i + 2}.") for i in range(len(depths) - 1)),
        (r"\.mlp\.fc1\.", ".mlp.0."),
        (r"\.mlp\.fc2\.", ".mlp.3."),
    )


def layouts(options: Options) -> dict[str, Layout]:
    """Names of other projects: the authors' are ``microsoft``, torchvision's are the model's own.

    PaddleClas also shifts the one window that the last stage has at 224 pixels, which the paper and all others
    do not: weights that were trained there answer a little differently here.
    """
    return {
        "own": TORCHVISION,
        "torchvision": TORCHVISION,
        "microsoft": Layout(rename=stages(options.depths, 0), leave_out=_COMPUTED),
        "timm": Layout(rename=(*stages(options.depths, 1), (r"^head\.fc\.", "head.")), leave_out=_COMPUTED),
        "paddle": paddle(*stages(options.depths, 0), leave_out=_COMPUTED),
    }
