"""ResNets of three stages for small images, with and without pre-activation.

ResNet: He, Zhang, Ren, Sun, 2015, arXiv:1512.03385, section 4.2. Wide ResNet: Zagoruyko, Komodakis, 2016,
arXiv:1605.07146. There is no release by the authors; names of parameters follow torchvision's ResNets.
"""

from torch import Tensor, nn
from torch.nn import functional

from imgcls import UserError
from imgcls_zoo.blocks import drop_path_rates, kaiming_normal_fan_out, zero_init
from imgcls_zoo.catalog.cifar_resnet import CifarResNet as ResNetOptions
from imgcls_zoo.catalog.cifar_resnet import WideResNet as WideOptions
from imgcls_zoo.catalog.resnet import ResNet as BlockOptions
from imgcls_zoo.resnet import Basic, convolution

_BLOCK = BlockOptions(block="basic", layers=(1, 1, 1, 1))


class PaddedShortcut(nn.Module):
    """The paper's option A: every stride-th pixel, and channels of zeros after those there are."""

    def __init__(self, more: int, stride: int) -> None:
        super().__init__()
        self.more = more
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C + more, ceil(H / stride), ceil(W / stride))."""
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))


class CifarResNet(nn.Module):
    """A 3x3 convolution, three stages of two-convolution blocks, global average pooling, a classifier."""

    def __init__(self, options: ResNetOptions, num_classes: int, in_channels: int) -> None:
        super().__init__()
        depth = _blocks(options.depth, 2)
        rates = drop_path_rates(options.drop_path, 3 * depth)
        self.conv1 = convolution(in_channels, 16, 3)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(16, 16, 1, rates[:depth], options.shortcut)
        self.layer2 = _stage(16, 32, 2, rates[depth : 2 * depth], options.shortcut)
        self.layer3 = _stage(32, 64, 2, rates[2 * depth :], options.shortcut)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(options.dropout)
        self.fc = nn.Linear(64, num_classes)
        kaiming_normal_fan_out(self)
        # shortcuts that are never normalised let the features grow with the depth: arXiv:1706.02677, section 5.1
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)
        if options.zero_init_residual:
            zero_init(*(part.last_norm for part in self.modules() if isinstance(part, Basic)))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))  # type: ignore[no-any-return]


def _stage(inputs: int, planes: int, stride: int, drop_path: list[float], shortcut: str) -> nn.Module:
    first: nn.Module | None = None
    if inputs != planes and shortcut == "A":
        first = PaddedShortcut(planes - inputs, stride)
    elif inputs != planes:
        first = nn.Sequential(convolution(inputs, planes, 1, stride), nn.BatchNorm2d(planes))
    blocks = [Basic(inputs, planes, stride, first, drop_path[0], _BLOCK)]
    blocks += [Basic(planes, planes, 1, None, rate, _BLOCK) for rate in drop_path[1:]]
    return nn.Sequential(*blocks)


class PreActivation(nn.Module):
    """Twice normalisation, activation, 3x3 convolution; a shortcut to another width follows the first two."""

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = convolution(inputs, outputs, 3, stride)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = convolution(outputs, outputs, 3)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = convolution(inputs, outputs, 1, stride) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        active = self.relu(self.bn1(x))
        shortcut = x if self.downsample is None else self.downsample(active)
        x = self.relu(self.bn2(self.conv1(active)))
        return self.conv2(self.dropout(x)) + shortcut  # type: ignore[no-any-return]


class WideResNet(nn.Module):
    """A 3x3 convolution, three groups of blocks, normalisation, global average pooling, a classifier."""

    def __init__(self, options: WideOptions, num_classes: int, in_channels: int) -> None:
        super().__init__()
        depth, wider = _blocks(options.depth, 4), options.widen_factor
        self.conv1 = convolution(in_channels, 16, 3)
        self.layer1 = _group(16, 16 * wider, 1, depth, options.dropout)
        self.layer2 = _group(16 * wider, 32 * wider, 2, depth, options.dropout)
        self.layer3 = _group(32 * wider, 64 * wider, 2, depth, options.dropout)
        self.bn = nn.BatchNorm2d(64 * wider)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64 * wider, num_classes)
        kaiming_normal_fan_out(self)
        nn.init.zeros_(self.fc.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.layer3(self.layer2(self.layer1(self.conv1(images))))
        return self.fc(self.avgpool(self.relu(self.bn(x))).flatten(1))  # type: ignore[no-any-return]


def _group(inputs: int, outputs: int, stride: int, depth: int, dropout: float) -> nn.Module:
    first = PreActivation(inputs, outputs, stride, dropout)
    return nn.Sequential(first, *(PreActivation(outputs, outputs, 1, dropout) for _ in range(1, depth)))


def _blocks(depth: int, others: int) -> int:
    """Return the blocks of each of three stages, of two convolutions each, beside so many other layers."""
    blocks, rest = divmod(depth - others, 6)
    if rest or blocks < 1:
        raise UserError(f"model: depth must be 6 n + {others}, n > 0, such as {others + 18}; got {depth}")
    return blocks


def build(options: ResNetOptions, num_classes: int, in_channels: int) -> nn.Module:
    """A ResNet for images of 32x32 pixels, or of another multiple of 4.

    Raises:
        UserError: there is no such depth.
    """
    return CifarResNet(options, num_classes, in_channels)


def build_wide(options: WideOptions, num_classes: int, in_channels: int) -> nn.Module:
    """A Wide ResNet for images of 32x32 pixels, or of another multiple of 4.

    Raises:
        UserError: there is no such depth.
    """
    return WideResNet(options, num_classes, in_channels)
