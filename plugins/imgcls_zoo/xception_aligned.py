"""Aligned Xception: Chen et al., 2018, Encoder-decoder with atrous separable convolution ..., arXiv:1802.02611.

The paper's Figure 4: Xception with strided convolutions for max pooling, and normalisation after each 3x3
convolution. Names of parameters are those of the common conversion of the authors' weights (timm's).
"""

from collections import OrderedDict
from functools import partial

from torch import Tensor, nn

from imgcls_zoo.blocks import ConvNormAct, DropPath, drop_path_rates, truncated_normal
from imgcls_zoo.blocks.convolution import Module
from imgcls_zoo.catalog.xception_aligned import AlignedXception as Options

_NAMES = ("conv", "bn", "act")


class SeparableConv(nn.Sequential):
    """A 3x3 convolution of each channel, a 1x1 convolution over channels, each normalised."""

    def __init__(
        self, norm: Module, inputs: int, outputs: int, stride: int, dilation: int, activation: bool
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["conv_dw"] = nn.Conv2d(inputs, inputs, 3, stride, dilation, dilation, groups=inputs, bias=False)
        layers["bn_dw"] = norm(inputs)
        if activation:
            layers["act_dw"] = nn.ReLU(inplace=True)
        layers["conv_pw"] = nn.Conv2d(inputs, outputs, 1, bias=False)
        layers["bn_pw"] = norm(outputs)
        if activation:
            layers["act_pw"] = nn.ReLU(inplace=True)
        super().__init__(layers)


class Block(nn.Module):
    """Three separable convolutions, each after a ReLU, around a shortcut.

    Args:
        norm: makes a normalisation.
        inputs: channels.
        widths: channels of each separable convolution.
        stride: of the third.
        drop_path: probability of leaving the convolutions out.
    """

    def __init__(
        self, norm: Module, inputs: int, widths: tuple[int, int, int], stride: int, drop_path: float
    ) -> None:
        super().__init__()
        first, second, third = widths
        self.stack = nn.Sequential(
            OrderedDict(
                act1=nn.ReLU(),  # not in place: the block's input is the shortcut's too
                conv1=SeparableConv(norm, inputs, first, 1, 1, activation=False),
                act2=nn.ReLU(inplace=True),
                conv2=SeparableConv(norm, first, second, 1, 1, activation=False),
                act3=nn.ReLU(inplace=True),
                conv3=SeparableConv(norm, second, third, stride, 1, activation=False),
            )
        )
        self.drop_path = DropPath(drop_path)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != third or stride != 1:
            self.shortcut = ConvNormAct(inputs, third, 1, stride, norm=norm, activation=None, names=_NAMES)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, widths[2], H / stride, W / stride)."""
        return self.drop_path(self.stack(x)) + self.shortcut(x)  # type: ignore[no-any-return]


class Last(nn.Module):
    """Three separable convolutions with a ReLU after every normalisation, and no shortcut."""

    def __init__(self, norm: Module, inputs: int, widths: tuple[int, int, int], dilation: int) -> None:
        super().__init__()
        self.stack = nn.Sequential()
        for i, width in enumerate(widths, 1):
            self.stack.add_module(f"conv{i}", SeparableConv(norm, inputs, width, 1, dilation, activation=True))
            inputs = width

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, widths[2], H, W)."""
        return self.stack(x)  # type: ignore[no-any-return]


class AlignedXception(nn.Module):
    """A stem, entry, middle and exit flow (``blocks``), global average pooling, a classifier."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=options.norm_eps)
        self.stem = nn.Sequential(
            ConvNormAct(in_channels, 32, 3, 2, norm=norm, names=_NAMES),
            ConvNormAct(32, 64, 3, norm=norm, names=_NAMES),
        )
        rates = iter(drop_path_rates(options.drop_path, len(options.entry) + options.middle + 1))
        blocks: list[nn.Module] = []
        channels = 64
        for width, stride in options.entry:
            blocks.append(Block(norm, channels, (width,) * 3, stride, next(rates)))
            channels = width
        blocks += [Block(norm, channels, (channels,) * 3, 1, next(rates)) for _ in range(options.middle)]
        blocks.append(Block(norm, channels, (channels, 1024, 1024), 2, next(rates)))
        blocks.append(Last(norm, 1024, (1536, 1536, 2048), options.dilation))
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(options.dropout)
        truncated_normal(self, 0.09)
        self.head = nn.Sequential(OrderedDict(fc=nn.Linear(2048, num_classes)))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.pool(self.blocks(self.stem(images))).flatten(1)
        return self.head(self.dropout(x))  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """An aligned Xception for images of 299x299 pixels.

    Convolutions start as in the authors' code; the classifier as torch's layers do, since with a deviation of 0.09
    the first loss would be far above that of a guess.
    """
    return AlignedXception(options, num_classes, in_channels)
