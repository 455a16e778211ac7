"""The model. Imported in the workers, so torch is welcome here."""

from torch import Tensor, nn

from imgcls_example.options import SmallNet


class Net(nn.Module):
    """Float images (N, channels, H, W) to logits (N, classes)."""

    def __init__(self, width: int, classes: int, channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Linear(2 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).mean((2, 3)))


def build(options: SmallNet, num_classes: int, in_channels: int) -> nn.Module:
    """Called with the recipe's options, and with what the data decides."""
    return Net(options.width, num_classes, in_channels)
