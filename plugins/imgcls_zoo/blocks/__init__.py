"""The vocabulary that all families share: what is written here once is not written in a family's file."""

from imgcls_zoo.blocks.attention import Attention, attend
from imgcls_zoo.blocks.convolution import ConvNormAct, SameConv2d, make_divisible
from imgcls_zoo.blocks.drop_path import DropPath, drop_path_rates
from imgcls_zoo.blocks.initialise import kaiming_normal_fan_out, truncated_normal, zero_init
from imgcls_zoo.blocks.mlp import Mlp
from imgcls_zoo.blocks.norm import LayerNorm2d
from imgcls_zoo.blocks.patch_embedding import PatchEmbedding, resized_positions
from imgcls_zoo.blocks.squeeze_excite import SqueezeExcite

__all__ = [
    "Attention",
    "ConvNormAct",
    "DropPath",
    "LayerNorm2d",
    "Mlp",
    "PatchEmbedding",
    "SameConv2d",
    "SqueezeExcite",
    "attend",
    "drop_path_rates",
    "kaiming_normal_fan_out",
    "make_divisible",
    "resized_positions",
    "truncated_normal",
    "zero_init",
]
