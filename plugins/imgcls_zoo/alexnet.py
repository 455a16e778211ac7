"""AlexNet in one column: Krizhevsky, 2014, One weird trick for parallelizing ..., arXiv:1404.5997.

Names of parameters are torchvision's, so that its published weights load as they are.
"""

from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.catalog.alexnet import AlexNet as Options
from imgcls_zoo.translating import paddle


class AlexNet(nn.Module):
    """Five convolutions (``features``) and three fully connected layers (``classifier``)."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(options.dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(options.dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W) of at least 63 pixels."""
        return self.classifier(self.avgpool(self.features(images)).flatten(1))  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """An AlexNet for images of 224x224 pixels.

    It starts as torch's layers do, not as the paper's (deviation 0.01, some biases 1): that start is for pixels of
    0..255 and for response normalisation, and leaves next to no signal of normalised images.
    """
    return AlexNet(options, num_classes, in_channels)


def layouts(_options: Options) -> dict[str, Layout]:
    """Names of other projects; Paddle's dropout of 0.5 scales in evaluation, ours in training."""
    places = {"1": 0, "2": 3, "3": 6, "4": 8, "5": 10}
    convolutions = ((rf"^_conv{number}\.(_conv\.)?", f"features.{place}.") for number, place in places.items())
    hidden = (r"^_fc6\.", "classifier.1."), (r"^_fc7\.", "classifier.4."), (r"^_fc8\.", "classifier.6.")
    return {"paddle": paddle(*convolutions, *hidden, scale=((r"^classifier\.[14]\.weight$", 0.5),))}
