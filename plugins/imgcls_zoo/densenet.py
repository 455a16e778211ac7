"""DenseNet: Huang, Liu, van der Maaten, Weinberger, 2016, Densely connected ..., arXiv:1608.06993.

Names of parameters are those that torchvision's models have.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.catalog.densenet import DenseNet as Options
from imgcls_zoo.translating import paddle

_BOTTLENECK = 4  # channels between a layer's two convolutions, as a multiple of the growth


class DenseLayer(nn.Module):
    """Normalisation, ReLU, 1x1 convolution, and the same with 3x3: what one layer adds."""

    def __init__(self, inputs: int, growth: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, _BOTTLENECK * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(_BOTTLENECK * growth)
        self.conv2 = nn.Conv2d(_BOTTLENECK * growth, growth, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, growth, H, W)."""
        x = self.conv1(self.relu(self.norm1(x)))
        return self.dropout(self.conv2(self.relu(self.norm2(x))))  # type: ignore[no-any-return]


class DenseBlock(nn.ModuleDict):
    """Layers of which each sees the block's input and what all layers before it added."""

    def __init__(self, inputs: int, depth: int, growth: int, dropout: float) -> None:
        super().__init__(
            {f"denselayer{i + 1}": DenseLayer(inputs + i * growth, growth, dropout) for i in range(depth)}
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, inputs + depth * growth, H, W)."""
        for layer in self.values():
            x = torch.cat((x, layer(x)), 1)
        return x


def _transition(inputs: int) -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(inputs),
            relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(inputs, inputs // 2, 1, bias=False),
            pool=nn.AvgPool2d(2),
        )
    )


class DenseNet(nn.Module):
    """A stem, four dense blocks with transitions that halve channels and size between, a classifier."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        channels = options.stem
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(channels),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.MaxPool2d(3, stride=2, padding=1),
        )
        for i, depth in enumerate(options.layers, 1):
            layers[f"denseblock{i}"] = DenseBlock(channels, depth, options.growth, options.dropout)
            channels += depth * options.growth
            if i < len(options.layers):
                layers[f"transition{i}"] = _transition(channels)
                channels //= 2
        layers["norm5"] = nn.BatchNorm2d(channels)
        layers["relu5"] = nn.ReLU(inplace=True)
        self.features = nn.Sequential(layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        return self.classifier(self.pool(self.features(images)).flatten(1))  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A DenseNet-BC for images of 224x224 pixels."""
    return DenseNet(options, num_classes, in_channels)


def layouts(_options: Options) -> dict[str, Layout]:
    """Names of other projects; timm's are ours.

    ``torchvision`` is for its published files, which are older than its model's names.
    """
    return {
        "torchvision": Layout(rename=((r"(denselayer\d+\.\w+)\.([12])\.", r"\1\2."),)),
        "paddle": paddle(
            (r"^conv1_func\._conv\.", "features.conv0."),
            (r"^conv1_func\._batch_norm\.", "features.norm0."),
            (r"^db_conv_(\d)\.conv\d_(\d+)\.bn_ac_func(\d)\.", r"features.denseblock{1-1}.denselayer\2.\3."),
            (r"^tr_conv(\d)_blk\.conv_ac_func\._conv\.", "features.transition{1-1}.conv."),
            (r"^tr_conv(\d)_blk\.conv_ac_func\._batch_norm\.", "features.transition{1-1}.norm."),
            (r"\.(\d)\._conv\.", r".conv\1."),
            (r"\.(\d)\._batch_norm\.", r".norm\1."),
            (r"^batch_norm\.", "features.norm5."),
            (r"^out\.", "classifier."),
        ),
    }
