"""RepVGG: Ding, Zhang, Ma, Han, Ding, Sun, 2021, RepVGG: making VGG-style ConvNets great again, arXiv:2101.03697.

Names of parameters are those of the authors' release.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from imgcls import Layout
from imgcls_zoo.blocks import ConvNormAct, SqueezeExcite, normalised
from imgcls_zoo.catalog.repvgg import RepVGG as Options
from imgcls_zoo.translating import paddle


def _branch(inputs: int, outputs: int, kernel: int, stride: int, groups: int) -> ConvNormAct:
    return ConvNormAct(
        inputs, outputs, kernel, stride, groups=groups, activation=None, names=("conv", "bn", "activation")
    )


class RepVGGBlock(nn.Module):
    """The sum of a 3x3 convolution, a 1x1 convolution and, where shapes allow, the input, each normalised."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int, squeeze_excite: bool) -> None:
        super().__init__()
        self.stride = stride
        self.rbr_dense = _branch(inputs, outputs, 3, stride, groups)
        self.rbr_1x1 = _branch(inputs, outputs, 1, stride, groups)
        self.rbr_identity = nn.BatchNorm2d(inputs) if inputs == outputs and stride == 1 else None
        self.se = SqueezeExcite(outputs, outputs // 16, names=("down", "up")) if squeeze_excite else nn.Identity()
        self.nonlinearity = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        total = self.rbr_dense(x) + self.rbr_1x1(x)
        if self.rbr_identity is not None:
            total += self.rbr_identity(x)
        return self.nonlinearity(self.se(total))  # type: ignore[no-any-return]

    @torch.no_grad()
    def reparameterized(self) -> "DeployedBlock":
        """Return the block of one 3x3 convolution that gives what this one gives in evaluation."""
        dense, point = self.rbr_dense[0], self.rbr_1x1[0]
        assert isinstance(dense, nn.Conv2d)
        assert isinstance(point, nn.Conv2d)
        branches = [
            normalised(dense.weight, self.rbr_dense[1]),
            normalised(functional.pad(point.weight, (1, 1, 1, 1)), self.rbr_1x1[1]),
        ]
        if self.rbr_identity is not None:
            identity = nn.init.dirac_(torch.empty_like(dense.weight), dense.groups)
            branches.append(normalised(identity, self.rbr_identity))
        kernels, biases = zip(*branches, strict=True)
        fused = nn.Conv2d(
            dense.in_channels,
            dense.out_channels,
            3,
            self.stride,
            padding=1,
            groups=dense.groups,
            device=dense.weight.device,
            dtype=dense.weight.dtype,
        )
        fused.load_state_dict({"weight": sum(kernels), "bias": sum(biases)})
        return DeployedBlock(fused, copy.deepcopy(self.se))


class DeployedBlock(nn.Module):
    """A 3x3 convolution with a bias, and a ReLU: what is left of a :class:`RepVGGBlock` after training."""

    def __init__(self, rbr_reparam: nn.Conv2d, se: nn.Module) -> None:
        super().__init__()
        self.rbr_reparam = rbr_reparam
        self.se = se
        self.nonlinearity = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return self.nonlinearity(self.se(self.rbr_reparam(x)))  # type: ignore[no-any-return]


class RepVGG(nn.Module):
    """A block, four stages of blocks that each begin with a stride of 2, global average pooling, a classifier."""

    def __init__(self, options: Options, num_classes: int, in_channels: int) -> None:
        super().__init__()
        a, b = options.widths
        widths = [int(64 * a), int(128 * a), int(256 * a), int(512 * b)]
        squeeze_excite = options.squeeze_excite
        inputs = min(64, widths[0])
        self.stage0 = RepVGGBlock(in_channels, inputs, 2, 1, squeeze_excite)
        layer = 1  # numbered throughout: every second one is grouped, beginning with the third
        stages = []
        for width, depth in zip(widths, options.layers, strict=True):
            blocks = []
            for i in range(depth):
                groups = options.groups if layer % 2 == 0 else 1
                blocks.append(RepVGGBlock(inputs, width, 2 if i == 0 else 1, groups, squeeze_excite))
                inputs, layer = width, layer + 1
            stages.append(nn.Sequential(*blocks))
        self.stage1, self.stage2, self.stage3, self.stage4 = stages
        self.linear = nn.Linear(inputs, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, num_classes) of float images (N, in_channels, H, W)."""
        x = self.stage0(images)
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            x = stage(x)
        return self.linear(torch.mean(x, (2, 3)))  # type: ignore[no-any-return]

    def for_inference(self) -> nn.Module:
        """Return the network to deploy: a copy, in evaluation, in which each block is one convolution."""
        deployed = copy.deepcopy(self).eval()
        for name, module in self.named_modules():
            if isinstance(module, RepVGGBlock):
                deployed.set_submodule(name, module.reparameterized().eval())
        return deployed


def build(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """A RepVGG for images of 224x224 pixels, as it is trained."""
    return RepVGG(options, num_classes, in_channels)


def layouts(_options: Options) -> dict[str, Layout]:
    """Names of other projects; Paddle's are the authors'."""
    return {
        "timm": Layout(
            rename=(
                (r"^stem\.", "stage0."),
                (r"^stages\.(\d)\.", r"stage{1+1}."),
                (r"\.conv_kxk\.", ".rbr_dense."),
                (r"\.conv_1x1\.", ".rbr_1x1."),
                (r"\.identity\.", ".rbr_identity."),
                (r"\.attn\.fc1\.", ".se.down."),
                (r"\.attn\.fc2\.", ".se.up."),
                (r"^head\.fc\.", "linear."),
            )
        ),
        "paddle": paddle(),
    }
