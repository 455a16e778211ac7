"""Inception v3: Szegedy et al., 2015, Rethinking the Inception architecture ..., arXiv:1512.00567.

Names of modules and parameters are torchvision's, so that its published weights load as they are.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from imgcls import Layout, WithAuxiliary
from imgcls_zoo.blocks.convolution import Module
from imgcls_zoo.catalog.inception_v3 import InceptionV3 as Options
from imgcls_zoo.googlenet import Renormalise, convolution

_AUXILIARY_GRID = 17  # of 299 pixels: the size that the auxiliary classifier's pooling is made for


class InceptionA(nn.Module):
    """The paper's Figure 5: two 3x3 convolutions do the work of a 5x5. 35x35 at 299 pixels."""

    def __init__(self, conv: Module, inputs: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = conv(inputs, 64, 1)
        self.branch5x5_1 = conv(inputs, 48, 1)
        self.branch5x5_2 = conv(48, 64, 5)
        self.branch3x3dbl_1 = conv(inputs, 64, 1)
        self.branch3x3dbl_2 = conv(64, 96, 3)
        self.branch3x3dbl_3 = conv(96, 96, 3)
        self.branch_pool = conv(inputs, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 224 + pooled, H, W)."""
        fives = self.branch5x5_2(self.branch5x5_1(x))
        doubled = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat((self.branch1x1(x), fives, doubled, self.branch_pool(_averaged(x))), 1)


class InceptionB(nn.Module):
    """The paper's Figure 10: halves the size to 17x17."""

    def __init__(self, conv: Module, inputs: int) -> None:
        super().__init__()
        self.branch3x3 = conv(inputs, 384, 3, stride=2, padding=0)
        self.branch3x3dbl_1 = conv(inputs, 64, 1)
        self.branch3x3dbl_2 = conv(64, 96, 3)
        self.branch3x3dbl_3 = conv(96, 96, 3, stride=2, padding=0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 480 + inputs, H', W')."""
        doubled = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat((self.branch3x3(x), doubled, functional.max_pool2d(x, 3, 2)), 1)


class InceptionC(nn.Module):
    """The paper's Figure 6: a 1x7 and a 7x1 convolution do the work of a 7x7. 17x17 at 299 pixels."""

    def __init__(self, conv: Module, inputs: int, width: int) -> None:
        super().__init__()
        self.branch1x1 = conv(inputs, 192, 1)
        self.branch7x7_1 = conv(inputs, width, 1)
        self.branch7x7_2 = conv(width, width, (1, 7))
        self.branch7x7_3 = conv(width, 192, (7, 1))
        self.branch7x7dbl_1 = conv(inputs, width, 1)
        self.branch7x7dbl_2 = conv(width, width, (7, 1))
        self.branch7x7dbl_3 = conv(width, width, (1, 7))
        self.branch7x7dbl_4 = conv(width, width, (7, 1))
        self.branch7x7dbl_5 = conv(width, 192, (1, 7))
        self.branch_pool = conv(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 768, H, W)."""
        sevens = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        doubled = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        doubled = self.branch7x7dbl_5(self.branch7x7dbl_4(doubled))
        return torch.cat((self.branch1x1(x), sevens, doubled, self.branch_pool(_averaged(x))), 1)


class InceptionD(nn.Module):
    """Halves the size to 8x8, with factorised 7x7 convolutions."""

    def __init__(self, conv: Module, inputs: int) -> None:
        super().__init__()
        self.branch3x3_1 = conv(inputs, 192, 1)
        self.branch3x3_2 = conv(192, 320, 3, stride=2, padding=0)
        self.branch7x7x3_1 = conv(inputs, 192, 1)
        self.branch7x7x3_2 = conv(192, 192, (1, 7))
        self.branch7x7x3_3 = conv(192, 192, (7, 1))
        self.branch7x7x3_4 = conv(192, 192, 3, stride=2, padding=0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 512 + inputs, H', W')."""
        threes = self.branch3x3_2(self.branch3x3_1(x))
        sevens = self.branch7x7x3_2(self.branch7x7x3_1(x))
        sevens = self.branch7x7x3_4(self.branch7x7x3_3(sevens))
        return torch.cat((threes, sevens, functional.max_pool2d(x, 3, 2)), 1)


class InceptionE(nn.Module):
    """The paper's Figure 7: 1x3 and 3x1 convolutions side by side widen the last grid, 8x8 at 299 pixels."""

    def __init__(self, conv: Module, inputs: int) -> None:
        super().__init__()
        self.branch1x1 = conv(inputs, 320, 1)
        self.branch3x3_1 = conv(inputs, 384, 1)
        self.branch3x3_2a = conv(384, 384, (1, 3))
        self.branch3x3_2b = conv(384, 384, (3, 1))
        self.branch3x3dbl_1 = conv(inputs, 448, 1)
        self.branch3x3dbl_2 = conv(448, 384, 3)
        self.branch3x3dbl_3a = conv(384, 384, (1, 3))
        self.branch3x3dbl_3b = conv(384, 384, (3, 1))
        self.branch_pool = conv(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 2048, H, W)."""
        threes = self.branch3x3_1(x)
        doubled = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = (
            self.branch1x1(x),
            self.branch3x3_2a(threes),
            self.branch3x3_2b(threes),
            self.branch3x3dbl_3a(doubled),
            self.branch3x3dbl_3b(doubled),
            self.branch_pool(_averaged(x)),
        )
        return torch.cat(branches, 1)


class InceptionAux(nn.Module):
    """A classifier on the last 17x17 grid."""

    def __init__(self, conv: Module, inputs: int, num_classes: int) -> None:
        super().__init__()
        self.conv0 = conv(inputs, 128, 1)
        self.conv1 = conv(128, 768, 5, padding=0)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, num_classes)."""
        if min(x.shape[-2:]) < _AUXILIARY_GRID:  # the 5x5 convolution would not fit what smaller images leave
            x = functional.adaptive_avg_pool2d(x, 5)
        else:
            x = functional.avg_pool2d(x, 5, 3)
        return self.fc(self.pool(self.conv1(self.conv0(x))).flatten(1))  # type: ignore[no-any-return]


class InceptionV3(nn.Module):
    """The paper's Table 1; the letters after Mixed are the figures' modules in order."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        conv = convolution(options.norm_eps)
        self.transform = Renormalise(in_channels) if options.transform_input else nn.Identity()
        self.Conv2d_1a_3x3 = conv(in_channels, 32, 3, stride=2, padding=0)
        self.Conv2d_2a_3x3 = conv(32, 32, 3, padding=0)
        self.Conv2d_2b_3x3 = conv(32, 64, 3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, 1)
        self.Conv2d_4a_3x3 = conv(80, 192, 3, padding=0)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = InceptionA(conv, 192, pooled=32)
        self.Mixed_5c = InceptionA(conv, 256, pooled=64)
        self.Mixed_5d = InceptionA(conv, 288, pooled=64)
        self.Mixed_6a = InceptionB(conv, 288)
        self.Mixed_6b = InceptionC(conv, 768, width=128)
        self.Mixed_6c = InceptionC(conv, 768, width=160)
        self.Mixed_6d = InceptionC(conv, 768, width=160)
        self.Mixed_6e = InceptionC(conv, 768, width=192)
        self.AuxLogits = InceptionAux(conv, 768, num_classes) if options.auxiliary else None
        self.Mixed_7a = InceptionD(conv, 768)
        self.Mixed_7b = InceptionE(conv, 1280)
        self.Mixed_7c = InceptionE(conv, 2048)
        self.weight = options.auxiliary_weight
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(options.dropout)
        self.fc = nn.Linear(2048, num_classes)
        initialise(self)
        if self.AuxLogits is not None:
            nn.init.trunc_normal_(self.AuxLogits.conv1.get_parameter("conv.weight"), std=0.01)
            nn.init.trunc_normal_(self.AuxLogits.fc.weight, std=0.001)
            nn.init.zeros_(self.AuxLogits.fc.bias)

    def forward(self, images: Tensor) -> Tensor | WithAuxiliary:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W) of at least 75 pixels."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(self.transform(images))))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(self.maxpool2(x))))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        middle = self.Mixed_6e(self.Mixed_6d(x))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(middle)))
        logits = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        if self.training and self.AuxLogits is not None:
            return WithAuxiliary(logits, ((self.weight, self.AuxLogits(middle)),))
        return logits  # type: ignore[no-any-return]


def _averaged(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, 3, stride=1, padding=1)


def initialise(model: nn.Module) -> None:
    """Draw convolutions' weights by the fan in, as the authors' code does for Inception v3 and v4.

    Classifiers are left as torch makes them: the authors' are 2.4 times as far from zero, and small images, whose
    last grid has few pixels to average over, would start well above the loss of a guess.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """An Inception v3 for images of 299x299 pixels."""
    return InceptionV3(options, num_classes, in_channels)


def layouts(options: Options) -> dict[str, Layout]:
    """torchvision's files hold the auxiliary classifier always; timm's files without it have our names."""
    return {} if options.auxiliary else {"torchvision": Layout(leave_out=(r"^AuxLogits\.",))}
