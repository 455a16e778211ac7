"""EfficientNet: Tan, Le, 2019, arXiv:1905.11946, and EfficientNetV2: Tan, Le, 2021, arXiv:2104.00298.

Names of parameters are torchvision's, so that its published weights load as they are; they were trained with
``padding = "symmetric"``, and those of B0 to B4 with ``batch_norm_epsilon = 1e-5``.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from imgcls import Layout
from imgcls_zoo.blocks import ConvNormAct, DropPath, SqueezeExcite
from imgcls_zoo.catalog.efficientnet import EfficientNet as Options
from imgcls_zoo.catalog.efficientnet import EfficientNetV2 as OptionsV2
from imgcls_zoo.efficientnet_stages import Stage, plan
from imgcls_zoo.translating import Pairs, numbered, paddle


class Block(nn.Module):
    """MBConv or Fused-MBConv: expansion, convolution, squeeze-and-excitation, projection; a shortcut around."""

    def __init__(self, stage: Stage, inputs: int, stride: int, drop_path: float, options: Options) -> None:
        super().__init__()
        self.block = nn.Sequential(*_layers(stage, inputs, stride, options))
        self.residual = inputs == stage.width and stride == 1
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, width, H / stride, W / stride)."""
        if self.residual:
            return self.drop_path(self.block(x)) + x  # type: ignore[no-any-return]
        return self.block(x)  # type: ignore[no-any-return]


def _parts(stage: Stage, options: Options) -> list[str]:
    """Return what a block of a stage consists of, in its order."""
    if stage.block == "Fused-MBConv":
        return ["fused", "project"] if stage.expansion > 1 else ["fused"]
    parts = ["depthwise", "squeeze", "project"] if options.squeeze_excite else ["depthwise", "project"]
    return ["expand", *parts] if stage.expansion > 1 else parts


def _layers(stage: Stage, inputs: int, stride: int, options: Options) -> Iterator[nn.Module]:
    conv, expanded = _conv_norm_act(options), inputs * stage.expansion
    for part in _parts(stage, options):
        if part == "expand":
            yield conv(inputs, expanded, 1)
        elif part == "depthwise":
            yield conv(expanded, expanded, stage.kernel, stride, groups=expanded)
        elif part == "squeeze":
            yield SqueezeExcite(expanded, max(1, inputs // 4), nn.SiLU)
        elif part == "fused":
            yield conv(inputs, expanded if stage.expansion > 1 else stage.width, stage.kernel, stride)
        elif part == "project":
            yield conv(expanded, stage.width, 1, activation=None)


def _conv_norm_act(options: Options) -> Callable[..., ConvNormAct]:
    norm = partial(nn.BatchNorm2d, eps=options.batch_norm_epsilon, momentum=options.batch_norm_momentum)

    def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, **others: Any) -> ConvNormAct:
        same = options.padding == "same" and stride > 1  # the two are one where nothing is skipped
        others = {"norm": norm, "activation": nn.SiLU, **others}
        return ConvNormAct(inputs, outputs, kernel, stride, same=same, **others)

    return conv


class EfficientNet(nn.Module):
    """A stem, stages of (fused) inverted bottlenecks, a 1x1 convolution, pooling, dropout, a classifier."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        conv, scaled = _conv_norm_act(options), plan(options)
        features: list[nn.Module] = [conv(in_channels, scaled.stem, 3, 2)]
        inputs, number, blocks = scaled.stem, 0, sum(stage.depth for stage in scaled.stages)
        for stage in scaled.stages:
            layers = []
            for i in range(stage.depth):
                drop_path = options.drop_path * number / blocks
                layers.append(Block(stage, inputs, stage.stride if i == 0 else 1, drop_path, options))
                inputs, number = stage.width, number + 1
            features.append(nn.Sequential(*layers))
        features.append(conv(inputs, scaled.head, 1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(options.dropout), nn.Linear(scaled.head, num_classes))
        self._initialise()

    def _initialise(self) -> None:
        """As the authors: normal by the fan out of a filter, uniform by that of the classifier."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
            elif isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.out_features)
                nn.init.uniform_(module.weight, -bound, bound)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        return self.classifier(torch.mean(self.features(images), (2, 3)))  # type: ignore[no-any-return]


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """An EfficientNet for images of the size that it is scaled for."""
    return EfficientNet(options, num_classes, in_channels)


# the names of each part's convolution and normalisation, and of a squeeze's two convolutions
_SQUEEZE = ("se.conv_reduce", "se.conv_expand")
_TIMM = {  # by the kind of block and whether it expands
    ("MBConv", False): {"depthwise": ("conv_dw", "bn1"), "squeeze": _SQUEEZE, "project": ("conv_pw", "bn2")},
    ("MBConv", True): {
        "expand": ("conv_pw", "bn1"),
        "depthwise": ("conv_dw", "bn2"),
        "squeeze": _SQUEEZE,
        "project": ("conv_pwl", "bn3"),
    },
    ("Fused-MBConv", False): {"fused": ("conv", "bn1")},
    ("Fused-MBConv", True): {"fused": ("conv_exp", "bn1"), "project": ("conv_pwl", "bn2")},
}
_TENSORFLOW = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "squeeze": ("_se_reduce", "_se_expand"),
    "project": ("_project_conv", "_bn2"),
}
_PADDLE = {
    "expand": ("_ecn._conv._conv._conv", "_ecn._conv._bn"),
    "depthwise": ("_dcn._conv._conv._conv", "_dcn._conv._bn"),
    "squeeze": ("_se._conv1._conv", "_se._conv2._conv"),
    "project": ("_pcn._conv._conv._conv", "_pcn._conv._bn"),
}


def _blocks(options: Options, names: Callable[[Stage], Mapping[str, tuple[str, str]]]) -> Pairs:
    """Return the pairs for what is within the blocks, once these are called ``features.STAGE.BLOCK``."""
    pairs = []
    for number, stage in enumerate(plan(options).stages, 1):
        for i, part in enumerate(_parts(stage, options)):
            own = ("fc1", "fc2") if part == "squeeze" else ("0", "1")
            for theirs, ours in zip(names(stage)[part], own, strict=True):
                pairs.append((rf"^(features\.{number}\.\d+)\.{re.escape(theirs)}\.", rf"\1.block.{i}.{ours}."))
    return tuple(pairs)


def layouts(options: Options) -> dict[str, Layout]:
    """Names of timm and, for the first version, of Paddle and of files converted from TensorFlow.

    The last are those of the package efficientnet_pytorch.
    """
    stages = plan(options).stages
    head = f"features.{len(stages) + 1}"
    timm = Layout(
        rename=(
            (r"^conv_stem\.", "features.0.0."),
            (r"^bn1\.", "features.0.1."),
            (r"^blocks\.(\d)\.", r"features.{1+1}."),
            *_blocks(options, lambda stage: _TIMM[stage.block, stage.expansion > 1]),
            (r"^conv_head\.", f"{head}.0."),
            (r"^bn2\.", f"{head}.1."),
            (r"^classifier\.", "classifier.1."),
        )
    )
    if isinstance(options, OptionsV2):
        return {"timm": timm}
    depths = [stage.depth for stage in stages]
    tensorflow = Layout(
        rename=(
            (r"^_conv_stem\.", "features.0.0."),
            (r"^_bn0\.", "features.0.1."),
            *numbered("_blocks", depths, "features.{}.{}"),
            *_blocks(options, lambda _: _TENSORFLOW),
            (r"^_conv_head\.", f"{head}.0."),
            (r"^_bn1\.", f"{head}.1."),
            (r"^_fc\.", "classifier.1."),
        )
    )
    from_paddle = paddle(
        (r"\.\.", "."),
        (r"^_ef\._conv_stem\._conv\._conv\._conv\.", "features.0.0."),
        (r"^_ef\._conv_stem\._conv\._bn\.", "features.0.1."),
        *numbered("_ef.(?:_blocks|block)", depths, "features.{}.{}"),
        *_blocks(options, lambda _: _PADDLE),
        (r"^_conv\._conv\._conv\.", f"{head}.0."),
        (r"^_conv\._bn\.", f"{head}.1."),
        (r"^_fc\.", "classifier.1."),
    )
    return {"timm": timm, "tensorflow": tensorflow, "paddle": from_paddle}
