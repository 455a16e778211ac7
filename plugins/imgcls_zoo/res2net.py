"""Res2Net: Gao et al., 2019, Res2Net: a new multi-scale backbone architecture, arXiv:1904.01169.

Names of parameters are the authors', so that their published weights load as they are; timm's are the same.
"""

import torch
from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.blocks import averaged_projection, deep_stem, kaiming_normal_fan_out, zero_init
from imgcls_zoo.catalog.res2net import Res2Net as Options
from imgcls_zoo.translating import paddle


class Bottle2neck(nn.Module):
    """1x1, 3x3 on each of ``scale`` groups of channels, 1x1 around a shortcut.

    The last group passes as it is, the others through a 3x3 convolution each, to whose input the group before
    adds its output: the receptive fields in one block grow from group to group. Not so in a stage's first block,
    where the groups are apart and the last one is averaged, so that all shrink alike.

    Args:
        inputs: channels.
        planes: a quarter of the output's channels.
        stride: of the 3x3 convolutions.
        first: whether the block is its stage's first.
        options: of the network.
    """

    def __init__(self, inputs: int, planes: int, stride: int, first: bool, options: Options) -> None:
        super().__init__()
        self.width = planes * options.width // 64
        together, outputs, theirs = self.width * options.scale, planes * 4, options.details == "authors"
        self.chained = not first if theirs else stride == 1
        self.conv1 = nn.Conv2d(inputs, together, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(together)
        self.convs = nn.ModuleList(
            nn.Conv2d(self.width, self.width, 3, stride, padding=1, bias=False) for _ in range(options.scale - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm2d(self.width) for _ in range(options.scale - 1))
        pool = nn.AvgPool2d(3, stride, padding=1, count_include_pad=theirs)
        self.pool = nn.Identity() if self.chained else pool
        self.conv3 = nn.Conv2d(together, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(inputs, outputs, stride, options.vd) if first else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 4 * planes, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        *groups, last = self.relu(self.bn1(self.conv1(x))).split(self.width, 1)
        outputs: list[Tensor] = []
        for group, conv, bn in zip(groups, self.convs, self.bns, strict=True):
            if self.chained and outputs:
                group = group + outputs[-1]
            outputs.append(self.relu(bn(conv(group))))
        x = torch.cat((*outputs, self.pool(last)), 1)
        return self.relu(self.bn3(self.conv3(x)) + shortcut)  # type: ignore[no-any-return]


def _projection(inputs: int, outputs: int, stride: int, vd: bool) -> nn.Module:
    if vd:
        return averaged_projection(inputs, outputs, stride)
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class Res2Net(nn.Module):
    """ResNet with groups of several receptive fields in place of the 3x3 convolutions."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        if options.vd:
            self.conv1: nn.Module = deep_stem(in_channels, 32, 64)
        else:
            self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels, stages = 64, []
        for i, depth in enumerate(options.layers):
            planes = 64 * 2**i
            blocks = [Bottle2neck(channels, planes, 1 if i == 0 else 2, True, options)]
            channels = 4 * planes
            blocks += [Bottle2neck(channels, planes, 1, False, options) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(options.dropout)
        self.fc = nn.Linear(channels, num_classes)
        kaiming_normal_fan_out(self)
        if options.zero_init_residual:
            zero_init(*(block.bn3 for block in self.modules() if isinstance(block, Bottle2neck)))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A Res2Net for images of 224x224 pixels."""
    return Res2Net(options, num_classes, in_channels)


def layouts(options: Options) -> dict[str, Layout]:
    """Names of other projects; PaddleClas's are those of a network with its details only."""
    if options.details != "paddle":
        return {}
    # convolutions are at 0, 3, 6 of the deep stem, each normalisation after its own; the last one's is bn1
    deep = (
        *((rf"^conv1_{i}\._conv\.", f"conv1.{3 * i - 3}.") for i in (1, 2, 3)),
        *((rf"^conv1_{i}\._batch_norm\.", f"conv1.{3 * i - 2}.") for i in (1, 2)),
        (r"^conv1_3\._batch_norm\.", "bn1."),
    )
    shallow = ((r"^conv1\._conv\.", "conv1."), (r"^conv1\._batch_norm\.", "bn1."))
    projection = int(options.vd)
    return {
        "paddle": paddle(
            *(deep if options.vd else shallow),
            (r"^bb_(\d+)_(\d+)\.", r"layer{1+1}.\2."),
            (r"\.res\w+_branch2b_(\d+)\._conv\.", ".convs.{1-1}."),
            (r"\.res\w+_branch2b_(\d+)\._batch_norm\.", ".bns.{1-1}."),
            (r"\.conv2\._conv\.", ".conv3."),
            (r"\.conv2\._batch_norm\.", ".bn3."),
            (r"\.conv0\._conv\.", ".conv1."),
            (r"\.conv0\._batch_norm\.", ".bn1."),
            (r"\.short\._conv\.", f".downsample.{projection}."),
            (r"\.short\._batch_norm\.", f".downsample.{projection + 1}."),
            (r"^out\.", "fc."),
        )
    }
