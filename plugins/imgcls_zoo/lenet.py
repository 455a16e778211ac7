"""LeNet-5: LeCun, Bottou, Bengio, Haffner, 1998, Gradient-based learning applied to document recognition."""

from torch import Tensor, nn

from imgcls_zoo.catalog.lenet import LeNet5


class LeNet(nn.Module):
    """Three convolutions, two subsamplings, two fully connected layers, with the paper's names.

    C3 sees all maps of S2, as every later implementation has it (the paper's Table I connects a subset),
    and the output is linear rather than radial basis functions, so that cross-entropy applies.

    Args:
        options: activation, pooling and the padding of C1: 2 lets 28x28 images give what 32x32 ones do.
        num_classes: size of the output.
        in_channels: channels of the images, (N, in_channels, 32, 32) or larger.
    """

    def __init__(self, options: LeNet5, num_classes: int, in_channels: int) -> None:
        super().__init__()
        activation = nn.Tanh if options.activation == "tanh" else nn.ReLU
        pool = nn.AvgPool2d if options.pooling == "average" else nn.MaxPool2d
        self.c1 = nn.Conv2d(in_channels, 6, 5, padding=options.padding)
        self.s2 = pool(2)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.s4 = pool(2)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.mean = nn.AdaptiveAvgPool2d(1)  # does nothing at the paper's size, admits larger images
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, num_classes)
        self.activation = activation()

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.s2(self.activation(self.c1(images)))
        x = self.s4(self.activation(self.c3(x)))
        x = self.mean(self.activation(self.c5(x))).flatten(1)
        return self.output(self.activation(self.f6(x)))  # type: ignore[no-any-return]


def build(options: LeNet5, num_classes: int, in_channels: int) -> nn.Module:
    """LeNet-5, for images of 32x32 pixels as in the paper, or of 28x28 as MNIST's files have them."""
    return LeNet(options, num_classes, in_channels)
