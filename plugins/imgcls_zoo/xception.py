"""Xception: Chollet, 2016, Xception: deep learning with depthwise separable convolutions, arXiv:1610.02357.

Names of parameters are those of the common conversion of the author's weights (Cadene's, and timm's).
"""

from collections import OrderedDict
from functools import partial

from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.blocks.convolution import Module
from imgcls_zoo.catalog.xception import Xception as Options
from imgcls_zoo.translating import Pairs, paddle


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)


def separable_convolution(inputs: int, outputs: int, norm: Module | None) -> nn.Module:
    """Return a 3x3 convolution of each channel (``conv1``) and a 1x1 convolution over channels (``pointwise``).

    Args:
        inputs, outputs: channels.
        norm: None: in this order, with nothing between. Else the 1x1 convolution is first, and this between.
    """
    if norm is None:
        return nn.Sequential(
            OrderedDict(conv1=_conv(inputs, inputs, 3, 1, 1, groups=inputs), pointwise=_conv(inputs, outputs, 1))
        )
    return nn.Sequential(
        OrderedDict(
            pointwise=_conv(inputs, outputs, 1),
            bn=norm(outputs),
            conv1=_conv(outputs, outputs, 3, 1, 1, groups=outputs),
        )
    )


class Block(nn.Module):
    """Separable convolutions, each after a ReLU (``rep``), around a shortcut.

    Args:
        separable: makes a separable convolution of inputs and outputs.
        norm: makes a normalisation.
        inputs: channels.
        widths: channels of each separable convolution.
        stride: of the max pooling that ends the block and of the convolution that is its shortcut; None: the
            block has neither.
        starts_with_relu: False for the first block, whose input is a ReLU's output.
        shortcut_norm: whether the shortcut's convolution is normalised.
    """

    def __init__(
        self,
        separable: Module,
        norm: Module,
        inputs: int,
        widths: tuple[int, ...],
        stride: int | None,
        starts_with_relu: bool = True,
        shortcut_norm: bool = True,
    ) -> None:
        super().__init__()
        channels = inputs
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.ReLU(inplace=True), separable(channels, width), norm(width)]
            channels = width
        layers[0] = nn.ReLU()  # the block's input is the shortcut's too: it must not change
        if not starts_with_relu:
            del layers[0]
        self.skip: nn.Module | None = None
        self.skipbn: nn.Module | None = None
        if stride is not None:
            layers.append(nn.MaxPool2d(3, stride, padding=1))
            self.skip = _conv(inputs, channels, 1, stride)
            self.skipbn = norm(channels) if shortcut_norm else None
        self.rep = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, widths[-1], H / stride, W / stride)."""
        shortcut = x
        if self.skip is not None:
            shortcut = self.skip(x)
        if self.skipbn is not None:
            shortcut = self.skipbn(shortcut)
        return self.rep(x) + shortcut  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """An Xception for images of 299x299 pixels: float (N, in_channels, H, W) to logits (N, num_classes).

    The paper's Figure 5, in one sequence: entry flow, middle flow, exit flow, classifier. Weights start as in the
    author's code, Glorot, Bengio, 2010.
    """
    norm = partial(nn.BatchNorm2d, eps=options.norm_eps)
    between = norm if options.separable == "pointwise_first" else None
    separable = partial(separable_convolution, norm=between)
    block = partial(Block, separable, norm, shortcut_norm=options.shortcut_norm)
    padding = options.stem_padding
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=_conv(in_channels, 32, 3, 2, padding),
        bn1=norm(32),
        act1=nn.ReLU(inplace=True),
        conv2=_conv(32, 64, 3, 1, padding),
        bn2=norm(64),
        act2=nn.ReLU(inplace=True),
    )
    channels = 64
    blocks: list[nn.Module] = []
    for width, stride in options.entry:
        blocks.append(block(channels, (width, width), stride, starts_with_relu=bool(blocks)))
        channels = width
    blocks += [block(channels, (channels,) * 3, None) for _ in range(options.middle)]
    blocks.append(block(channels, (channels, 1024), 2))
    layers |= {f"block{i}": each for i, each in enumerate(blocks, 1)}
    layers |= {
        "conv3": separable(1024, 1536),
        "bn3": norm(1536),
        "act3": nn.ReLU(inplace=True),
        "conv4": separable(1536, 2048),
        "bn4": norm(2048),
        "act4": nn.ReLU(inplace=True),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(1),
        "dropout": nn.Dropout(options.dropout),
        "fc": nn.Linear(2048, num_classes),
    }
    model = nn.Sequential(layers)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


def layouts(options: Options) -> dict[str, Layout]:
    """PaddleClas's names, of its own order of convolutions; timm's are ours."""
    if options.separable == "depthwise_first":
        return {}
    entry, last = len(options.entry), len(options.entry) + options.middle + 1
    pairs: list[tuple[str, str]] = []
    for i in range(entry):
        first = 1 if i else 0  # the first block has no ReLU before its first convolution
        pairs.append((rf"^_entry_flow\._conv_{i}\._short\.", f"block{i + 1}.skip."))
        pairs += _separable(rf"_entry_flow\._conv_{i}\._conv1", f"block{i + 1}.rep.", first)
        pairs += _separable(rf"_entry_flow\._conv_{i}\._conv2", f"block{i + 1}.rep.", first + 3)
    for i in range(options.middle):
        for j in range(3):
            pairs += _separable(rf"_middle_flow\._conv_{i}\._conv_{j}", f"block{entry + i + 1}.rep.", 3 * j + 1)
    pairs.append((r"^_exit_flow\._conv_0\._short\.", f"block{last}.skip."))
    pairs += _separable(r"_exit_flow\._conv_0\._conv_1", f"block{last}.rep.", 1)
    pairs += _separable(r"_exit_flow\._conv_0\._conv_2", f"block{last}.rep.", 4)
    return {
        "paddle": paddle(
            *pairs,
            *_separable_names(r"_exit_flow\._conv_1", "conv3.", "bn3."),
            *_separable_names(r"_exit_flow\._conv_2", "conv4.", "bn4."),
            (r"^_entry_flow\._conv(\d)\._conv\.", r"conv\1."),
            (r"^_entry_flow\._conv(\d)\._batch_norm\.", r"bn\1."),
            (r"^_exit_flow\._out\.", "fc."),
        )
    }


def _separable(theirs: str, ours: str, place: int) -> Pairs:
    return _separable_names(theirs, f"{ours}{place}.", f"{ours}{place + 1}.")


def _separable_names(theirs: str, convolution: str, norm: str) -> Pairs:
    return (
        (rf"^{theirs}\._pointwise_conv\._conv\.", f"{convolution}pointwise."),
        (rf"^{theirs}\._pointwise_conv\._batch_norm\.", f"{convolution}bn."),
        (rf"^{theirs}\._depthwise_conv\._conv\.", f"{convolution}conv1."),
        (rf"^{theirs}\._depthwise_conv\._batch_norm\.", norm),
    )
