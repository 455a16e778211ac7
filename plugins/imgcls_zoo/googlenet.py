"""GoogLeNet: Szegedy et al., 2014, Going deeper with convolutions, arXiv:1409.4842, with batch normalisation.

Names of parameters are torchvision's, so that its published weights load as they are.
"""

from functools import partial

import torch
from torch import Tensor, nn

from imgcls import Layout, UserError, WithAuxiliary
from imgcls_zoo.blocks import Concatenate, ConvNormAct, truncated_normal
from imgcls_zoo.blocks.convolution import Module
from imgcls_zoo.catalog.family import HALF, IMAGENET_MEAN, IMAGENET_STD
from imgcls_zoo.catalog.googlenet import GoogLeNet as Options


def convolution(norm_eps: float) -> Module:
    """Return what makes the convolutions of all Inception networks: with batch normalisation and ReLU."""
    norm = partial(nn.BatchNorm2d, eps=norm_eps)
    return partial(ConvNormAct, norm=norm, names=("conv", "bn", "relu"))


class Renormalise(nn.Module):
    """Takes images that ImageNet's mean and deviation normalised to -1..1."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        if in_channels != 3:
            raise UserError(f"transform_input is for 3 channels, and the images have {in_channels}")
        mean, deviation, half = (torch.tensor(x).view(1, 3, 1, 1) for x in (IMAGENET_MEAN, IMAGENET_STD, HALF))
        self.register_buffer("scale", deviation / half, persistent=False)
        self.register_buffer("shift", (mean - half) / half, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) to the same shape."""
        return torch.addcmul(self.get_buffer("shift"), images, self.get_buffer("scale"))


class Inception(Concatenate):
    """The paper's Figure 2b: convolutions of three sizes and a pooling side by side.

    Args:
        conv: see :func:`convolution`.
        inputs: channels.
        widths: the paper's Table 1: channels of #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj.
        kernel: of the larger convolution.
    """

    def __init__(
        self, conv: Module, inputs: int, widths: tuple[int, int, int, int, int, int], kernel: int
    ) -> None:
        ones, reduced3, threes, reduced5, fives, pooled = widths
        pool = nn.MaxPool2d(3, stride=1, padding=1)
        super().__init__(
            {
                "branch1": conv(inputs, ones, 1),
                "branch2": nn.Sequential(conv(inputs, reduced3, 1), conv(reduced3, threes, 3)),
                "branch3": nn.Sequential(conv(inputs, reduced5, 1), conv(reduced5, fives, kernel)),
                "branch4": nn.Sequential(pool, conv(inputs, pooled, 1)),
            }
        )


class Auxiliary(nn.Module):
    """A classifier half-way up, whose gradient reaches the lower layers."""

    def __init__(self, conv: Module, inputs: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.conv = conv(inputs, 128, 1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, num_classes)."""
        x = self.relu(self.fc1(self.conv(self.pool(x)).flatten(1)))
        return self.fc2(self.dropout(x))  # type: ignore[no-any-return]


class GoogLeNet(nn.Module):
    """A stem, nine Inception modules with pooling between, a classifier, and two more for training."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        conv = convolution(options.norm_eps)
        module = partial(Inception, conv, kernel=options.branch_kernel)
        pool = partial(nn.MaxPool2d, stride=2, ceil_mode=True)  # sizes round up, as in Caffe
        self.transform = Renormalise(in_channels) if options.transform_input else nn.Identity()
        self.conv1 = conv(in_channels, 64, 7, stride=2)
        self.maxpool1 = pool(3)
        self.conv2 = conv(64, 64, 1)
        self.conv3 = conv(64, 192, 3)
        self.maxpool2 = pool(3)
        self.inception3a = module(192, (64, 96, 128, 16, 32, 32))
        self.inception3b = module(256, (128, 128, 192, 32, 96, 64))
        self.maxpool3 = pool(3)
        self.inception4a = module(480, (192, 96, 208, 16, 48, 64))
        self.inception4b = module(512, (160, 112, 224, 24, 64, 64))
        self.inception4c = module(512, (128, 128, 256, 24, 64, 64))
        self.inception4d = module(512, (112, 144, 288, 32, 64, 64))
        self.inception4e = module(528, (256, 160, 320, 32, 128, 128))
        self.maxpool4 = pool(2)
        self.inception5a = module(832, (256, 160, 320, 32, 128, 128))
        self.inception5b = module(832, (384, 192, 384, 48, 128, 128))
        self.weight = options.auxiliary_weight
        self.aux1: Auxiliary | None = None
        self.aux2: Auxiliary | None = None
        if options.auxiliary:
            self.aux1 = Auxiliary(conv, 512, num_classes, options.auxiliary_dropout)
            self.aux2 = Auxiliary(conv, 528, num_classes, options.auxiliary_dropout)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(options.dropout)
        self.fc = nn.Linear(1024, num_classes)
        truncated_normal(self, 0.01)

    def forward(self, images: Tensor) -> Tensor | WithAuxiliary:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.maxpool1(self.conv1(self.transform(images)))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        lower = self.inception4a(x)
        upper = self.inception4d(self.inception4c(self.inception4b(lower)))
        x = self.maxpool4(self.inception4e(upper))
        x = self.inception5b(self.inception5a(x))
        logits = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        if self.training and self.aux1 is not None and self.aux2 is not None:
            return WithAuxiliary(logits, ((self.weight, self.aux1(lower)), (self.weight, self.aux2(upper))))
        return logits  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A GoogLeNet for images of 224x224 pixels."""
    return GoogLeNet(options, num_classes, in_channels)


def layouts(options: Options) -> dict[str, Layout]:
    """torchvision's files hold the further classifiers always."""
    return {} if options.auxiliary else {"torchvision": Layout(leave_out=(r"^aux\d\.",))}
