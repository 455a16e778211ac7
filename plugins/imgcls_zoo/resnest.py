"""ResNeSt: Zhang et al., 2020, ResNeSt: split-attention networks, arXiv:2004.08955.

Names of parameters are the authors', so that their published weights load as they are; timm's are the same.
"""

from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.blocks import averaged_projection, deep_stem, kaiming_normal_fan_out, zero_init
from imgcls_zoo.catalog.resnest import ResNeSt as Options
from imgcls_zoo.translating import paddle


class SplitAttention(nn.Module):
    """A 3x3 convolution into ``radix`` splits of each cardinal group, and their sum weighted by attention.

    The attention looks at the splits' sum averaged over all pixels; for each channel its weights over the splits
    add up to one. The channels lie radix-major (section 3.2): all groups of the first split come first.

    Args:
        channels: of input and output.
        radix: splits of each group; with one, the weight is a sigmoid as in squeeze-and-excitation.
        cardinality: groups.
        bias: of the layer before the attention's normalisation, which makes it superfluous.
    """

    def __init__(self, channels: int, radix: int, cardinality: int, bias: bool) -> None:
        super().__init__()
        self.radix, self.cardinality = radix, cardinality
        squeezed = max(channels * radix // 4, 32)
        self.conv = nn.Conv2d(channels, channels * radix, 3, padding=1, groups=cardinality * radix, bias=False)
        self.bn0 = nn.BatchNorm2d(channels * radix)
        self.fc1 = nn.Conv2d(channels, squeezed, 1, groups=cardinality, bias=bias)
        self.bn1 = nn.BatchNorm2d(squeezed)
        self.fc2 = nn.Conv2d(squeezed, channels * radix, 1, groups=cardinality)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        splits = self.relu(self.bn0(self.conv(x))).unflatten(1, (self.radix, -1))
        pooled = splits.mean((3, 4)).sum(1)[..., None, None]
        scores = self.fc2(self.relu(self.bn1(self.fc1(pooled))))
        if self.radix == 1:
            return splits.squeeze(1) * scores.sigmoid()  # type: ignore[no-any-return]
        # of each group, its splits: (N, cardinality, radix, channels / cardinality)
        weights = scores.view(x.shape[0], self.cardinality, self.radix, -1).softmax(2)
        weights = weights.transpose(1, 2).reshape(x.shape[0], self.radix, -1, 1, 1)
        return (splits * weights).sum(1)  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1x1, split attention, 1x1 around a shortcut; a stride is an average pooling beside the split attention."""

    def __init__(self, inputs: int, planes: int, stride: int, options: Options) -> None:
        super().__init__()
        width, outputs = planes * options.width // 64 * options.cardinality, planes * 4
        theirs = options.details == "authors"
        pool = nn.AvgPool2d(3, stride, padding=1, count_include_pad=theirs) if stride > 1 else nn.Identity()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.pool_before = pool if options.pool_first else nn.Identity()
        self.conv2 = SplitAttention(width, options.radix, options.cardinality, bias=theirs)
        self.pool_after = nn.Identity() if options.pool_first else pool
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        projected = stride > 1 or inputs != outputs
        self.downsample = averaged_projection(inputs, outputs, stride) if projected else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 4 * planes, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.pool_before(self.relu(self.bn1(self.conv1(x))))
        x = self.pool_after(self.conv2(x))
        return self.relu(self.bn3(self.conv3(x)) + shortcut)  # type: ignore[no-any-return]


class ResNeSt(nn.Module):
    """ResNet-D with split attention in place of the 3x3 convolutions."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        channels = 2 * options.stem
        self.conv1 = deep_stem(in_channels, options.stem, channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = []
        for i, depth in enumerate(options.layers):
            planes = 64 * 2**i
            blocks = [Bottleneck(channels, planes, 1 if i == 0 else 2, options)]
            channels = 4 * planes
            blocks += [Bottleneck(channels, planes, 1, options) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(options.dropout)
        self.fc = nn.Linear(channels, num_classes)
        kaiming_normal_fan_out(self)
        if options.zero_init_residual:
            zero_init(*(block.bn3 for block in self.modules() if isinstance(block, Bottleneck)))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A ResNeSt; in training a batch needs two images at least, the attention being normalised over the batch."""
    return ResNeSt(options, num_classes, in_channels)


def layouts(options: Options) -> dict[str, Layout]:
    """Names of other projects; PaddleClas's are those of a network with its details only."""
    if options.details != "paddle":
        return {}
    return {
        "paddle": paddle(
            (r"^stem\.conv3\._batch_norm\.", "bn1."),
            (r"^stem\.conv(\d)\._conv\.", r"conv1.\1._conv."),
            (r"^stem\.conv(\d)\._batch_norm\.", r"conv1.\1._batch_norm."),
            # convolutions are at 0, 3, 6 of the stem, each normalisation after its own
            *((rf"^conv1\.{i}\._conv\.", f"conv1.{3 * i - 3}.") for i in (1, 2, 3)),
            *((rf"^conv1\.{i}\._batch_norm\.", f"conv1.{3 * i - 2}.") for i in (1, 2)),
            (r"^layer\d\.(layer\d)_bottleneck_(\d+)\.", r"\1.\2."),
            (r"\.conv2\.conv1\._conv\.", ".conv2.conv."),
            (r"\.conv2\.conv1\._batch_norm\.", ".conv2.bn0."),
            (r"\.conv2\.conv2\._conv\.", ".conv2.fc1."),
            (r"\.conv2\.conv2\._batch_norm\.", ".conv2.bn1."),
            (r"\.conv2\.conv3\.", ".conv2.fc2."),
            (r"\.conv(\d)\._conv\.", r".conv\1."),
            (r"\.conv(\d)\._batch_norm\.", r".bn\1."),
            (r"\.conv4\.", ".downsample.1."),
            (r"\._batch_norm\.", ".downsample.2."),
            (r"^out\.", "fc."),
        )
    }
