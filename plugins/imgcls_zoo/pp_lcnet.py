"""PP-LCNet: Cui et al., 2021, PP-LCNet: a lightweight CPU convolutional neural network, arXiv:2109.15099.

Names of parameters are timm's, so that its weights load as they are; PaddleClas's are a layout.
"""

from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.blocks import SqueezeExcite, UnscaledDropout, make_divisible, paddle_start
from imgcls_zoo.catalog.pp_lcnet import PPLCNet as Options
from imgcls_zoo.translating import paddle

# kernel and channels of each block of each stage; a stage's first has a stride of 2, but for the first stage's
STAGES = (
    ((3, 32),),
    ((3, 64), (3, 64)),
    ((3, 128), (3, 128)),
    ((3, 256), (5, 256)),
    ((5, 256), (5, 256), (5, 256), (5, 256)),
    ((5, 512), (5, 512)),
)
STRIDES = (1, 2, 2, 2, 1, 2)


class DepthwiseSeparable(nn.Module):
    """A depthwise convolution, squeeze-and-excitation in the last stage, a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, squeeze: bool) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(inputs, inputs, kernel, stride, kernel // 2, groups=inputs, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.se = (
            SqueezeExcite(inputs, inputs // 4, gate=nn.Hardsigmoid, names=("conv_reduce", "conv_expand"))
            if squeeze
            else nn.Identity()
        )
        self.conv_pw = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.act = nn.Hardswish()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        x = self.se(self.act(self.bn1(self.conv_dw(x))))
        return self.act(self.bn2(self.conv_pw(x)))  # type: ignore[no-any-return]


class PPLCNet(nn.Module):
    """MobileNet's blocks with hard swish, large kernels late, and a wide layer after the pooling."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        channels = make_divisible(16 * options.scale)
        self.conv_stem = nn.Conv2d(in_channels, channels, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act = nn.Hardswish()
        stages = []
        for stage, first_stride in zip(STAGES, STRIDES, strict=True):
            blocks = []
            for i, (kernel, width) in enumerate(stage):
                outputs = make_divisible(width * options.scale)
                stride, squeeze = first_stride if i == 0 else 1, stage is STAGES[-1]
                blocks.append(DepthwiseSeparable(channels, outputs, kernel, stride, squeeze))
                channels = outputs
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.conv_head = nn.Conv2d(channels, 1280, 1, bias=options.head_bias)
        self.dropout = UnscaledDropout(options.dropout)
        self.classifier = nn.Linear(1280, num_classes)
        paddle_start(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.blocks(self.act(self.bn1(self.conv_stem(images))))
        x = self.act(self.conv_head(self.avgpool(x)))
        return self.classifier(self.dropout(x.flatten(1)))  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A PP-LCNet for images of 224x224 pixels."""
    return PPLCNet(options, num_classes, in_channels)


def layouts(options: Options) -> dict[str, Layout]:
    """Names of other projects; PaddleClas's files have no bias in the head."""
    if options.head_bias:
        return {}
    return {
        "paddle": paddle(
            (r"^conv1\.conv\.", "conv_stem."),
            (r"^conv1\.bn\.", "bn1."),
            # PaddleClas counts the fourth and fifth stages as one
            (r"^blocks5\.([01])\.", r"blocks.3.\1."),
            (r"^blocks5\.(\d)\.", "blocks.4.{1-2}."),
            (r"^blocks([234])\.", "blocks.{1-2}."),
            (r"^blocks6\.", "blocks.5."),
            (r"\.dw_conv\.conv\.", ".conv_dw."),
            (r"\.dw_conv\.bn\.", ".bn1."),
            (r"\.se\.conv1\.", ".se.conv_reduce."),
            (r"\.se\.conv2\.", ".se.conv_expand."),
            (r"\.pw_conv\.conv\.", ".conv_pw."),
            (r"\.pw_conv\.bn\.", ".bn2."),
            (r"^last_conv\.", "conv_head."),
            (r"^fc\.", "classifier."),
        )
    }
