"""ViT: Dosovitskiy et al., 2020, An image is worth 16x16 words, arXiv:2010.11929.

Names of parameters are torchvision's; its published files name the two layers of ``mlp`` otherwise, see
:func:`layouts`.
"""

import math
from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.blocks import DropPath, attend, drop_path_rates, fitted_positions, resized_positions
from imgcls_zoo.catalog.vit import ViT as Options
from imgcls_zoo.translating import paddle


class SelfAttention(nn.Module):
    """Multi-head self-attention whose parameters are named as those of ``nn.MultiheadAttention``."""

    in_proj_bias: nn.Parameter | None

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.heads, self.scale, self.dropout = options.heads, options.scale, options.attention_dropout
        width = options.width
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.register_parameter("in_proj_bias", nn.Parameter(torch.zeros(3 * width)) if options.qkv_bias else None)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, width) to the same shape."""
        qkv = nn.functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        dropout = self.dropout if self.training else 0.0
        return self.out_proj(attend(qkv, self.heads, None, dropout, self.scale))  # type: ignore[no-any-return]


class EncoderBlock(nn.Module):
    """Self-attention and a multi-layer perceptron, each behind a normalisation and beside a shortcut."""

    def __init__(self, options: Options, drop_path: float) -> None:
        super().__init__()
        norm = partial(nn.LayerNorm, options.width, eps=options.epsilon)
        self.ln_1 = norm()
        self.self_attention = SelfAttention(options)
        self.dropout = nn.Dropout(options.dropout)
        self.ln_2 = norm()
        hidden = options.mlp_ratio * options.width
        self.mlp = nn.Sequential(
            nn.Linear(options.width, hidden),
            nn.GELU(),
            nn.Dropout(options.dropout),
            nn.Linear(hidden, options.width),
            nn.Dropout(options.dropout),
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, width) to the same shape."""
        x = x + self.drop_path(self.dropout(self.self_attention(self.ln_1(x))))
        return x + self.drop_path(self.mlp(self.ln_2(x)))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """Position embeddings, the blocks, and the last normalisation."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        patches = (options.image_size // options.patch) ** 2
        self.pos_embedding = nn.Parameter(torch.empty(1, 1 + patches, options.width))
        self.dropout = nn.Dropout(options.dropout)
        self.layers = nn.Sequential(
            OrderedDict(
                (f"encoder_layer_{number}", EncoderBlock(options, rate))
                for number, rate in enumerate(drop_path_rates(options.drop_path, options.depth))
            )
        )
        self.ln = nn.LayerNorm(options.width, eps=options.epsilon)

    def forward(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
        """(N, 1 + rows * columns, width), the class token first, to what that token is at the end, (N, width)."""
        tokens = tokens + resized_positions(self.pos_embedding, rows, columns, prefix=1)
        return self.ln(self.layers(self.dropout(tokens))[:, 0])  # type: ignore[no-any-return]


class ViT(nn.Module):
    """Patches as tokens, an encoder, and a classifier of the class token."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv_proj = nn.Conv2d(in_channels, options.width, options.patch, options.patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, options.width))
        self.encoder = Encoder(options)
        self.heads = nn.Sequential(OrderedDict(head=nn.Linear(options.width, num_classes)))
        self._initialise()

    def _initialise(self) -> None:
        """As the authors' JAX code does, where queries, keys and values are three layers; the head is zero."""
        fan_in = self.conv_proj.weight[0].numel()
        nn.init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / fan_in))
        nn.init.zeros_(self.conv_proj.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.encoder.pos_embedding, std=0.02)
        for name, parameter in self.encoder.layers.named_parameters():
            if name.endswith("in_proj_weight"):
                for part in parameter.chunk(3):
                    nn.init.xavier_uniform_(part)
            elif parameter.ndim == 2:
                nn.init.xavier_uniform_(parameter)
            elif ".mlp." in name:
                nn.init.normal_(parameter, std=1e-6)
            elif name.endswith("out_proj.bias"):
                nn.init.zeros_(parameter)
        for parameter in self.heads.parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W), H and W of at least a patch."""
        x = self.conv_proj(images)
        rows, columns = x.shape[2:]
        tokens = torch.cat((self.class_token.expand(x.shape[0], -1, -1), x.flatten(2).transpose(1, 2)), 1)
        return self.heads(self.encoder(tokens, rows, columns))  # type: ignore[no-any-return]

    def adapted(self, name: str, value: Tensor) -> Tensor | None:
        """Return a loaded tensor in the shape it has here: position embeddings of another image size.

        Files that lay fully connected layers as (inputs, outputs) do so with ``in_proj_weight`` too, which is
        no ``nn.Linear`` that a layout could transpose.
        """
        own = self.get_parameter(name)
        if name == "encoder.pos_embedding":
            return fitted_positions(value, own, prefix=1)
        if name.endswith("in_proj_weight") and value.T.shape == own.shape:
            return value.T
        return None


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A ViT; images of another size than the options' get interpolated position embeddings."""
    return ViT(options, num_classes, in_channels)


def layouts(_options: Options) -> dict[str, Layout]:
    """Names of other projects; ``torchvision`` is for its published files, which are older than its names."""
    names = (
        (r"^cls_token$", "class_token"),
        (r"^pos_embed$", "encoder.pos_embedding"),
        (r"^patch_embed\.proj\.", "conv_proj."),
        (r"^blocks\.(\d+)\.", r"encoder.layers.encoder_layer_\1."),
        (r"\.norm(\d)\.", r".ln_\1."),
        (r"\.attn\.qkv\.", ".self_attention.in_proj_"),
        (r"\.attn\.proj\.", ".self_attention.out_proj."),
        (r"\.mlp\.fc1\.", ".mlp.0."),
        (r"\.mlp\.fc2\.", ".mlp.3."),
        (r"^norm\.", "encoder.ln."),
        (r"^head\.", "heads.head."),
    )
    return {
        "timm": Layout(rename=names),
        "paddle": paddle(*names),
        "torchvision": Layout(rename=((r"\.mlp\.linear_1\.", ".mlp.0."), (r"\.mlp\.linear_2\.", ".mlp.3."))),
    }
