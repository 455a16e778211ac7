"""The vocabulary that all families share: what is written here once is not written in a family's file."""

from imgcls_zoo.blocks.attention import Attention, attend
from imgcls_zoo.blocks.concatenate import Concatenate
from imgcls_zoo.blocks.convolution import ConvNormAct, SameConv2d, make_divisible
from imgcls_zoo.blocks.drop_path import DropPath, drop_path_rates
from imgcls_zoo.blocks.dropout import UnscaledDropout
from imgcls_zoo.blocks.initialise import kaiming_normal_fan_out, paddle_start, truncated_normal, zero_init
from imgcls_zoo.blocks.mlp import Mlp
from imgcls_zoo.blocks.norm import LayerNorm2d
from imgcls_zoo.blocks.patch_embedding import PatchEmbedding, fitted_positions, resized_positions
from imgcls_zoo.blocks.reparameterise import normalised
from imgcls_zoo.blocks.resnet_d import averaged_projection, deep_stem
from imgcls_zoo.blocks.squeeze_excite import SqueezeExcite

__all__ = [
    "Attention",
    "Concatenate",
    "ConvNormAct",
    "DropPath",
    "LayerNorm2d",
    "Mlp",
    "PatchEmbedding",
    "SameConv2d",
    "SqueezeExcite",
    "UnscaledDropout",
    "attend",
    "averaged_projection",
    "deep_stem",
    "drop_path_rates",
    "fitted_positions",
    "kaiming_normal_fan_out",
    "make_divisible",
    "normalised",
    "paddle_start",
    "resized_positions",
    "truncated_normal",
    "zero_init",
]
