"""ResNet: He, Zhang, Ren, Sun, 2015, Deep residual learning for image recognition, arXiv:1512.03385.

And what keeps its plan and changes its parts: ResNeXt (arXiv:1611.05431), Wide ResNet (arXiv:1605.07146),
SE-ResNet and SENet-154 (arXiv:1709.01507), the deep stem and pooled shortcut of "vc" and "vd" (arXiv:1812.01187).

Names of parameters are torchvision's, and where torchvision has no such part timm's (resnet50d, seresnet50,
senet154), so that the weights both publish load as they are.
"""

from torch import Tensor, nn

from imgcls import Layout, UserError
from imgcls_zoo.blocks import DropPath, SqueezeExcite, drop_path_rates, kaiming_normal_fan_out, zero_init
from imgcls_zoo.catalog.resnet import ResNet as Options
from imgcls_zoo.translating import numbered, paddle


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the image's size where the stride is 1."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)


def _squeeze(channels: int, reduction: int) -> nn.Module:
    return SqueezeExcite(channels, max(1, channels // reduction)) if reduction else nn.Identity()


class Basic(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    expansion = 1

    def __init__(
        self, inputs: int, planes: int, stride: int, shortcut: nn.Module | None, drop_path: float, options: Options
    ) -> None:
        super().__init__()
        self.conv1 = convolution(inputs, planes, 3, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = convolution(planes, planes, 3)
        self.bn2 = nn.BatchNorm2d(planes)
        self.se = _squeeze(planes, options.squeeze)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """The normalisation whose scale is that of the whole branch."""
        return self.bn2

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, planes, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.drop_path(self.se(self.bn2(self.conv2(x))))
        x += shortcut
        return self.relu(x)  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a shortcut."""

    expansion = 4

    def __init__(
        self, inputs: int, planes: int, stride: int, shortcut: nn.Module | None, drop_path: float, options: Options
    ) -> None:
        super().__init__()
        width = planes * options.width_per_group // 64 * options.groups
        first = width // 2 if options.halved_first else width
        at_first, at_second = (stride, 1) if options.strided == "1x1" else (1, stride)
        outputs = planes * self.expansion
        self.conv1 = convolution(inputs, first, 1, at_first)
        self.bn1 = nn.BatchNorm2d(first)
        self.conv2 = convolution(first, width, 3, at_second, options.groups)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = convolution(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.se = _squeeze(outputs, options.squeeze)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """The normalisation whose scale is that of the whole branch."""
        return self.bn3

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 4 * planes, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.drop_path(self.se(self.bn3(self.conv3(x))))
        x += shortcut
        return self.relu(x)  # type: ignore[no-any-return]


class ResNet(nn.Module):
    """A stem, four stages of residual blocks, global average pooling, a classifier."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        block = Basic if options.block == "basic" else Bottleneck
        width = options.stem_width
        self.conv1 = _stem(options.stem, in_channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if options.stem == "3x3" else nn.MaxPool2d(3, stride=2, padding=1)
        first, second, third, fourth = options.layers
        rates = drop_path_rates(options.drop_path, sum(options.layers))
        wider = block.expansion
        self.layer1 = _stage(block, width, 64, first, 1, rates, options)
        self.layer2 = _stage(block, 64 * wider, 128, second, 2, rates[first:], options)
        self.layer3 = _stage(block, 128 * wider, 256, third, 2, rates[first + second :], options)
        self.layer4 = _stage(block, 256 * wider, 512, fourth, 2, rates[first + second + third :], options)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(options.dropout)
        self.fc = nn.Linear(512 * wider, num_classes)
        kaiming_normal_fan_out(self)
        if options.zero_init_residual:
            zero_init(*(part.last_norm for part in self.modules() if isinstance(part, Basic | Bottleneck)))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))  # type: ignore[no-any-return]

    def adapted(self, name: str, value: Tensor) -> Tensor | None:
        """Return squeezing weights, in Paddle a fully connected layer's (inputs, outputs), as a convolution's."""
        own = self.state_dict()[name]
        if own.ndim == 4 and value.ndim == 2 and own.shape == (*value.T.shape, 1, 1):
            return value.T[:, :, None, None]
        return None


def _stem(kind: str, in_channels: int, width: int) -> nn.Module:
    if kind == "7x7":
        return convolution(in_channels, width, 7, stride=2)
    if kind == "3x3":
        return convolution(in_channels, width, 3)
    half = width // 2
    return nn.Sequential(
        convolution(in_channels, half, 3, stride=2),
        nn.BatchNorm2d(half),
        nn.ReLU(inplace=True),
        convolution(half, half, 3),
        nn.BatchNorm2d(half),
        nn.ReLU(inplace=True),
        convolution(half, width, 3),
    )


def _stage(
    block: type[Basic] | type[Bottleneck],
    inputs: int,
    planes: int,
    depth: int,
    stride: int,
    drop_path: list[float],
    options: Options,
) -> nn.Module:
    outputs = planes * block.expansion
    shortcut = None
    if stride != 1 or inputs != outputs or options.projected_first:
        shortcut = _shortcut(inputs, outputs, stride, options.shortcut)
    blocks = [block(inputs, planes, stride, shortcut, drop_path[0], options)]
    blocks += [block(outputs, planes, 1, None, drop_path[i], options) for i in range(1, depth)]
    return nn.Sequential(*blocks)


def _shortcut(inputs: int, outputs: int, stride: int, kind: str) -> nn.Module:
    if kind == "pooled":
        pool = nn.AvgPool2d(2, stride, ceil_mode=True) if stride > 1 else nn.Identity()
        return nn.Sequential(pool, convolution(inputs, outputs, 1), nn.BatchNorm2d(outputs))
    kernel = 3 if kind == "3x3" and stride > 1 else 1
    return nn.Sequential(convolution(inputs, outputs, kernel, stride), nn.BatchNorm2d(outputs))


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A ResNet for images of any size; the strides' product is 32, or 8 with the stem for small images.

    Raises:
        UserError: an option of bottlenecks is set for basic blocks.
    """
    of_bottlenecks = options.groups, options.width_per_group, options.halved_first, options.strided
    if options.block == "basic" and of_bottlenecks != (1, 64, False, "3x3"):
        raise UserError(
            "model: groups, width_per_group, halved_first and strided are of bottlenecks; "
            'leave them out or set block = "bottleneck"'
        )
    return ResNet(options, num_classes, in_channels)


def layouts(options: Options) -> dict[str, Layout]:
    """Names of other projects; timm's are ours. PaddleClas has four sets of names, by the file a model is in."""
    alike = (
        (r"^_conv_stem\._(conv|bn)\.", r"stem.0.\1."),
        (r"^_conv(\d)_(\d+)\._conv(\d)\._(conv|bn)\.", r"layer\1.\2.conv\3.\4."),
        (r"^_conv(\d)_(\d+)\._short\._conv\._(conv|bn)\.", r"layer\1.\2.short.\3."),
        (r"\._conv\.", ".conv."),
        (r"\._batch_norm\.", ".bn."),
        (r"^conv\.(conv|bn)\.", r"stem.0.\1."),
        (r"^conv1_(\d)\.", "stem.{1-1}."),
        (r"^bb_(\d)_(\d+)\.", r"layer{1+1}.\2."),
        *numbered("blocks", options.layers, "layer{}.{}"),
        (r"^_?out\.", "fc."),
    )
    return {"paddle": paddle(*alike, *_stem_names(options.stem == "deep"), *_block_names(options))}


def _stem_names(deep: bool) -> tuple[tuple[str, str], ...]:
    if not deep:
        return (r"^stem\.0\.conv\.", "conv1."), (r"^stem\.0\.bn\.", "bn1.")
    return (
        (r"^stem\.0\.conv\.", "conv1.0."),
        (r"^stem\.0\.bn\.", "conv1.1."),
        (r"^stem\.1\.conv\.", "conv1.3."),
        (r"^stem\.1\.bn\.", "conv1.4."),
        (r"^stem\.2\.conv\.", "conv1.6."),
        (r"^stem\.2\.bn\.", "bn1."),
    )


def _block_names(options: Options) -> tuple[tuple[str, str], ...]:
    conv, norm = ("1", "2") if options.shortcut == "pooled" else ("0", "1")
    return (
        (r"\.conv(\d)\.conv\.", ".conv{1+1}."),
        (r"\.conv(\d)\.bn\.", ".bn{1+1}."),
        (r"\.short\.conv\.", f".downsample.{conv}."),
        (r"\.short\.bn\.", f".downsample.{norm}."),
        (r"\.scale\.squeeze\.", ".se.fc1."),
        (r"\.scale\.excitation\.", ".se.fc2."),
    )
