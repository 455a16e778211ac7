"""VGG: Simonyan, Zisserman, 2014, Very deep convolutional networks for large-scale ..., arXiv:1409.1556.

Names of parameters are torchvision's, so that its published weights load as they are.
"""

from torch import Tensor, nn

from imgcls_zoo.blocks import kaiming_normal_fan_out
from imgcls_zoo.catalog.vgg import Vgg as Options

_WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Five stages of 3x3 convolutions, each halved by pooling (``features``), and fully connected layers."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_channels
        for depth, width in zip(options.layers, _WIDTHS, strict=True):
            for _ in range(depth):
                layers.append(nn.Conv2d(channels, width, 3, padding=1))
                if options.batch_norm:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU(inplace=True))
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier: nn.Module
        if options.head == "linear":
            self.avgpool = nn.AdaptiveAvgPool2d(1)
            self.classifier = nn.Linear(channels, num_classes)
        else:
            self.avgpool = nn.AdaptiveAvgPool2d(7)
            self.classifier = nn.Sequential(
                nn.Linear(channels * 7 * 7, 4096),
                nn.ReLU(inplace=True),
                nn.Dropout(options.dropout),
                nn.Linear(4096, 4096),
                nn.ReLU(inplace=True),
                nn.Dropout(options.dropout),
                nn.Linear(4096, num_classes),
            )
        kaiming_normal_fan_out(self.features)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W) of at least 32 pixels."""
        return self.classifier(self.avgpool(self.features(images)).flatten(1))  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A VGG for images of 224x224 pixels, or with one linear layer as a head, of 32x32.

    Convolutions start as He et al., 2015, arXiv:1502.01852, which the paper is older than: its authors copied the
    layers of a shallower network that they had trained first. Fully connected layers start as the paper's.
    """
    return VGG(options, num_classes, in_channels)
