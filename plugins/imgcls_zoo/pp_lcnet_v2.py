"""PP-LCNetV2, Paddle's successor of PP-LCNet for CPUs: described in PaddleClas's documentation, not in a paper.

In training the late depthwise convolutions are sums of branches with kernels of 5, 3 and 1 pixels, which
:meth:`PPLCNetV2.for_inference` makes one convolution of.
"""

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from imgcls import Layout
from imgcls_zoo.blocks import (
    ConvNormAct,
    SqueezeExcite,
    UnscaledDropout,
    make_divisible,
    normalised,
    paddle_start,
)
from imgcls_zoo.catalog.pp_lcnet_v2 import PPLCNetV2 as Options
from imgcls_zoo.translating import paddle

_NAMES = ("conv", "bn", "act")


class DepthwiseBranches(nn.Module):
    """The sum of depthwise convolutions of several kernels, each normalised; 1 pixel only without a stride."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.channels, self.kernel, self.stride = channels, kernel, stride
        self.branches = nn.ModuleList(
            ConvNormAct(channels, channels, size, stride, groups=channels, activation=None, names=_NAMES)
            for size in range(kernel, 0 if stride == 1 else 1, -2)
        )
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, channels, H / stride, W / stride)."""
        first, *others = self.branches
        total = first(x)
        for branch in others:
            total += branch(x)
        return self.act(total)  # type: ignore[no-any-return]

    @torch.no_grad()
    def reparameterized(self) -> nn.Module:
        """Return the one convolution, with its activation, that gives what the branches give in evaluation."""
        merged = []
        for branch in self.branches:
            conv, bn = branch.conv, branch.bn
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(bn, nn.BatchNorm2d)
            margin = (self.kernel - conv.kernel_size[0]) // 2
            merged.append(normalised(functional.pad(conv.weight, (margin,) * 4), bn))
        kernels, biases = zip(*merged, strict=True)
        fused = nn.Conv2d(
            self.channels, self.channels, self.kernel, self.stride, self.kernel // 2, groups=self.channels
        )
        fused.to(next(self.parameters()))  # its device and dtype
        fused.load_state_dict({"weight": sum(kernels), "bias": sum(biases)})
        return nn.Sequential(fused, nn.ReLU(inplace=True))


class Block(nn.Module):
    """A depthwise convolution, squeeze-and-excitation, one 1x1 convolution or two, a shortcut.

    Args:
        inputs, outputs: channels.
        kernel: of the depthwise convolution.
        stride: of the depthwise convolution.
        branches: whether the depthwise convolution is trained as several.
        squeeze: whether there is squeeze-and-excitation, and a 1x1 convolution to half of the outputs first.
        shortcut: whether the input is added, where shapes allow.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        branches: bool = False,
        squeeze: bool = False,
        shortcut: bool = False,
    ) -> None:
        super().__init__()
        self.shortcut = shortcut and stride == 1 and inputs == outputs
        self.conv_dw: nn.Module = (
            DepthwiseBranches(inputs, kernel, stride)
            if branches
            else ConvNormAct(inputs, inputs, kernel, stride, groups=inputs, names=_NAMES)
        )
        self.se = (
            SqueezeExcite(inputs, inputs // 4, names=("conv_reduce", "conv_expand")) if squeeze else nn.Identity()
        )
        widths = [inputs, outputs // 2, outputs] if squeeze else [inputs, outputs]
        self.conv_pw = nn.Sequential(*(ConvNormAct(i, o, 1, names=_NAMES) for i, o in pairwise(widths)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = self.conv_pw(self.se(self.conv_dw(x)))
        return x + y if self.shortcut else y  # type: ignore[no-any-return]


class PPLCNetV2(nn.Module):
    """A stem, four stages of depthwise-separable blocks, pooling, a wide layer, a classifier."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        narrow, *widths = (make_divisible(width * options.scale) for width in (32, 64, 128, 256, 512, 1024))
        self.stem = nn.Sequential(
            ConvNormAct(in_channels, narrow, 3, 2, names=_NAMES), Block(narrow, widths[0], 3, stride=1)
        )
        # kernel, and whether there are branches, squeeze-and-excitation, a shortcut
        early = (3, False, False, False)
        kinds = (early, early, (5, True, True, False), (5, True, False, True))
        self.stages = nn.Sequential()
        for (inputs, outputs), depth, (kernel, *kind) in zip(pairwise(widths), options.layers, kinds, strict=True):
            blocks = [Block(inputs, outputs, kernel, 2, *kind)]
            blocks += [Block(outputs, outputs, kernel, 1, *kind) for _ in range(depth - 1)]
            self.stages.append(nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.conv_head = nn.Conv2d(widths[-1], 1280, 1, bias=False)
        self.act = nn.ReLU(inplace=True)
        self.dropout = UnscaledDropout(options.dropout)
        self.classifier = nn.Linear(1280, num_classes)
        paddle_start(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.act(self.conv_head(self.avgpool(self.stages(self.stem(images)))))
        return self.classifier(self.dropout(x.flatten(1)))  # type: ignore[no-any-return]

    def for_inference(self) -> nn.Module:
        """Return the network to deploy: a copy, in evaluation, in which branches are one convolution."""
        deployed = copy.deepcopy(self).eval()
        for name, module in self.named_modules():
            if isinstance(module, DepthwiseBranches):
                deployed.set_submodule(name, module.reparameterized().eval())
        return deployed


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A PP-LCNetV2 for images of 224x224 pixels, as it is trained."""
    return PPLCNetV2(options, num_classes, in_channels)


def layouts(_options: Options) -> dict[str, Layout]:
    """Names of other projects; PaddleClas's files also hold the merged convolutions, unused in training."""
    return {
        "paddle": paddle(
            (r"\.dw_conv_list\.", ".conv_dw.branches."),
            (r"\.dw_conv\.", ".conv_dw."),
            (r"\.se\.conv1\.", ".se.conv_reduce."),
            (r"\.se\.conv2\.", ".se.conv_expand."),
            (r"\.pw_conv\.", ".conv_pw.0."),
            (r"\.pw_conv_(\d)\.", ".conv_pw.{1-1}."),
            (r"^last_conv\.", "conv_head."),
            (r"^fc\.", "classifier."),
            leave_out=(r"\.dw_conv\.(weight|bias)$",),
        )
    }
