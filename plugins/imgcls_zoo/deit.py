"""DeiT: Touvron et al., 2020, Training data-efficient image transformers, arXiv:2012.12877.

Names of parameters are those of the authors' release, which are timm's too.
"""

from functools import partial

import torch
from torch import Tensor, nn

from imgcls import Layout, WithAuxiliary
from imgcls_zoo.blocks import (
    Attention,
    DropPath,
    Mlp,
    PatchEmbedding,
    drop_path_rates,
    fitted_positions,
    resized_positions,
    truncated_normal,
)
from imgcls_zoo.catalog.deit import DeiT as Options
from imgcls_zoo.translating import paddle


class Block(nn.Module):
    """Self-attention and a feed-forward network, each behind a normalisation and beside a shortcut."""

    def __init__(self, options: Options, drop_path: float) -> None:
        super().__init__()
        norm = partial(nn.LayerNorm, options.width, eps=1e-6)
        self.norm1 = norm()
        self.attn = Attention(options.width, options.heads, dropout=options.dropout)
        self.drop_path = DropPath(drop_path)
        self.norm2 = norm()
        self.mlp = Mlp(options.width, 4 * options.width, dropout=options.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, width) to the same shape."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


class DeiT(nn.Module):
    """Patches as tokens behind a class token, the blocks, and a classifier of that token."""

    tokens_before = 1

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        width, patches = options.width, (options.image_size // 16) ** 2
        self.patch_embed = PatchEmbedding(in_channels, width, 16)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, self.tokens_before + patches, width))
        self.pos_drop = nn.Dropout(options.dropout)
        rates = drop_path_rates(options.drop_path, options.depth)
        self.blocks = nn.Sequential(*(Block(options, rate) for rate in rates))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, num_classes)
        self._initialise()

    def _initialise(self) -> None:
        """From normals of deviation 0.02, but for the patches' convolution, which stays as torch makes it."""
        for embedding in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(embedding, std=0.02)
        truncated_normal(self.blocks)
        truncated_normal(self.head)

    def first_tokens(self) -> tuple[Tensor, ...]:
        """Return what comes before the patches, (1, 1, width) each."""
        return (self.cls_token,)

    def features(self, images: Tensor) -> Tensor:
        """Return what the first tokens are at the end, (N, tokens_before, width), of images (N, C, H, W)."""
        patches = self.patch_embed(images)
        first = (token.expand(images.shape[0], -1, -1) for token in self.first_tokens())
        tokens = torch.cat((*first, patches), 1)
        positions = resized_positions(
            self.pos_embed, images.shape[2] // 16, images.shape[3] // 16, self.tokens_before
        )
        tokens = self.blocks(self.pos_drop(tokens + positions))
        return self.norm(tokens[:, : self.tokens_before])  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor | WithAuxiliary:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        return self.head(self.features(images)[:, 0])  # type: ignore[no-any-return]

    def adapted(self, name: str, value: Tensor) -> Tensor | None:
        """Return loaded position embeddings of another image size interpolated to this one's."""
        if name != "pos_embed":
            return None
        return fitted_positions(value, self.pos_embed, self.tokens_before)


class DistilledDeiT(DeiT):
    """A second token, with a classifier of its own, that learns from a teacher (the paper's Section 4)."""

    tokens_before = 2

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__(options, num_classes, in_channels)
        self.distillation_weight = options.distillation_weight
        self.dist_token = nn.Parameter(torch.empty(1, 1, options.width))
        self.head_dist = nn.Linear(options.width, num_classes)
        nn.init.trunc_normal_(self.dist_token, std=0.02)
        truncated_normal(self.head_dist)

    def first_tokens(self) -> tuple[Tensor, ...]:
        """Return what comes before the patches, (1, 1, width) each."""
        return self.cls_token, self.dist_token

    def forward(self, images: Tensor) -> Tensor | WithAuxiliary:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W): the mean of the two classifiers'.

        In training both classifiers' logits, the distilled one's as auxiliary.
        """
        label, teacher = self.features(images).unbind(1)
        logits, distilled = self.head(label), self.head_dist(teacher)
        if self.training:
            return WithAuxiliary(logits, ((self.distillation_weight, distilled),))
        return (logits + distilled) / 2  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A DeiT with patches of 16x16 pixels; other images than the options' get interpolated position embeddings."""
    return (DistilledDeiT if options.distilled else DeiT)(options, num_classes, in_channels)


def layouts(_options: Options) -> dict[str, Layout]:
    """Names of other projects: timm's and Paddle's are the authors', but Paddle lays linear layers otherwise."""
    return {"paddle": paddle()}
