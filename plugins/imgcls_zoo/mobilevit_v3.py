"""MobileViTV3: Wadekar, Chaurasia, 2022, arXiv:2209.15159.

MobileViT's and MobileViTV2's blocks with four changes: a depthwise 3x3 convolution before the transformer, a 1x1
convolution as fusion, fusion with the local features instead of the input, and the input added at the end.
Names of parameters are those of the authors' release, which is built on cvnets.
"""

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo import mobilevit, mobilevit_v2
from imgcls_zoo.catalog.mobilevit_v2 import MobileViTV2
from imgcls_zoo.catalog.mobilevit_v3 import MobileViTV3 as Options
from imgcls_zoo.catalog.mobilevit_v3 import SeparableMobileViTV3 as SeparableOptions
from imgcls_zoo.mobilevit import Body, ConvLayer, MobileViTBlock, MobileViTNet, bare, whole_patches
from imgcls_zoo.mobilevit_v2 import MobileViTV2Block
from imgcls_zoo.translating import paddle

# of a fourth stage with four layers
_BODIES = {
    "xx_small": Body(16, 2, (16, 24, 64, 80, 128), 3, (64, 80, 96), (2, 4, 3), 512),
    "x_small": Body(16, 4, (32, 48, 96, 160, 160), 3, (96, 120, 144), (2, 4, 3), 640),
    "small": Body(16, 4, (32, 64, 128, 256, 320), 3, (144, 192, 240), (2, 4, 3), 960),
}


class MobileViTV3Block(MobileViTBlock):
    """MobileViT's block with the four changes: Figure 2."""

    def __init__(self, channels: int, width: int, depth: int, dropout: float) -> None:
        super().__init__(channels, width, depth, dropout)
        conv_3x3 = ConvLayer(channels, channels, 3, groups=channels)
        self.local_rep = nn.Sequential(OrderedDict(conv_3x3=conv_3x3, conv_1x1=bare(channels, width)))
        self.fusion = ConvLayer(width + channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        local = self.local_rep(x)
        seen = self.conv_proj(self.globally(local))
        return self.fusion(torch.cat((local, seen), 1)) + x  # type: ignore[no-any-return]


class SeparableMobileViTV3Block(MobileViTV2Block):
    """MobileViTV2's block, whose convolution is depthwise already, with fusion and the input added."""

    def __init__(self, channels: int, width: int, depth: int, dropout: float) -> None:
        super().__init__(channels, width, depth, dropout)
        self.conv_proj = ConvLayer(2 * width, channels, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, channels, H, W), H and W rounded up to even numbers."""
        x = whole_patches(x, True)
        local = self.local_rep(x)
        return self.conv_proj(torch.cat((self.globally(local), local), 1)) + x  # type: ignore[no-any-return]


def build(options: Options | SeparableOptions, num_classes: int, in_channels: int) -> nn.Module:
    """A MobileViTV3 for images of 256x256 pixels."""
    if isinstance(options, SeparableOptions):
        separable = MobileViTNet(
            mobilevit_v2.body(options.width),
            partial(SeparableMobileViTV3Block, dropout=options.transformer_dropout),
            partial(mobilevit_v2.head, num_classes, options.dropout),
            in_channels,
        )
        mobilevit_v2.initialise(separable)
        return separable
    model = MobileViTNet(
        _BODIES[options.size]._replace(depths=(2, options.middle_depth, 3)),
        partial(MobileViTV3Block, dropout=options.transformer_dropout),
        partial(mobilevit.head, num_classes, options.dropout),
        in_channels,
    )
    mobilevit.initialise(model)
    return model


def layouts(options: Options | SeparableOptions) -> dict[str, Layout]:
    """Names of PaddleClas; timm has no MobileViTV3."""
    if isinstance(options, SeparableOptions):
        return {"paddle": mobilevit_v2.layouts(MobileViTV2(width=options.width))["paddle"]}
    return {"paddle": paddle((r"\.(conv|norm)\.", r".block.\1."))}
