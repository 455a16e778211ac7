"""Forward and backward passes a second: models of the zoo against the plainest torch code for the same network.

Run as ``python tests/benchmarks/models.py [--models resnet50 vit_s_16] [--rounds 7] [--steps 2]``.

The plain networks are written out below. They get the zoo's weights, and must give the same logits, before anything is
timed. A step is a forward pass in training mode, the loss, and the backward pass, in float32 on the CPU.
"""

import argparse
import os
import statistics
from collections.abc import Callable

import measure
import torch
from measure import Speed, say
from torch import Tensor, nn
from torch.nn import functional

from imgcls.component import load
from imgcls_zoo.catalog import MODELS

BATCH, SIZE, CLASSES = 8, 224, 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(PLAIN), choices=list(PLAIN))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=2, help="timed in each round and side")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--patience", type=float, default=20, help="seconds to wait for a quiet machine")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    measure.header("Models: forward and backward, the zoo against plain torch")
    images, labels = torch.randn(BATCH, 3, SIZE, SIZE), torch.randint(CLASSES, (BATCH,))
    reached = []
    for name in options.models:
        say(f"\n{name}, batch {BATCH}, {SIZE}x{SIZE} pixels, float32, {options.threads} torch thread(s)")
        ours, plain = pair(name, images)
        sides: dict[str, Callable[[], Speed]] = {
            "imgcls": lambda m=ours: timed(m, images, labels, options.steps),
            "plain": lambda m=plain: timed(m, images, labels, options.steps),
        }
        for side in sides.values():  # memory is allocated, and oneDNN has chosen its kernels
            side()
        found = measure.in_turn(sides, options.rounds, "images/s", options.patience)
        for side, speeds in found.items():
            milliseconds = [1000 * BATCH / speed.wall for speed in speeds]
            say(
                f"{side}: median {statistics.median(milliseconds):,.0f} ms a step, "
                f"min {min(milliseconds):,.0f}, max {max(milliseconds):,.0f}"
            )
        reached.append(measure.ratio(found, "imgcls", "plain", 0.97))
    measure.ends(reached)


def pair(name: str, images: Tensor) -> tuple[nn.Module, nn.Module]:
    """Return the zoo's model and the plain one, with the same weights."""
    torch.manual_seed(1)
    component = next(component for component in MODELS if component.name == name)
    ours: nn.Module = load(component.build)(component.defaults, num_classes=CLASSES, in_channels=3)
    plain = PLAIN[name]()
    with torch.no_grad():
        for parameter in ours.parameters():
            if not parameter.any():  # a head that starts at zero would make all gradients zero
                nn.init.normal_(parameter, std=0.02)
        for own, other in zip(ours.state_dict().values(), plain.state_dict().values(), strict=True):
            assert own.shape == other.shape
            other.copy_(own)
        torch.testing.assert_close(ours(images), plain(images), rtol=1e-3, atol=1e-4)
    return ours, plain


def timed(model: nn.Module, images: Tensor, labels: Tensor, steps: int) -> Speed:
    watch = measure.Watch(os.getpid())
    for _ in range(steps):
        model.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
    return watch.stop(steps * BATCH)


# ---- ResNet-50 --------------------------------------------------------------------------------------------


class PlainBottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.shortcut = None
        if inputs != 4 * width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        x = functional.relu_(self.bn1(self.conv1(x)))
        x = functional.relu_(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        x += shortcut
        return functional.relu_(x)


def plain_resnet50() -> nn.Module:
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(True), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for width, depth, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for number in range(depth):
            layers.append(PlainBottleneck(inputs, width, stride if number == 0 else 1))
            inputs = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))


# ---- ViT-S/16 ---------------------------------------------------------------------------------------------


class PlainBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).chunk(3, 2)
        q, k, v = (y.view(n, tokens, self.heads, width // self.heads).transpose(1, 2) for y in (q, k, v))
        gathered = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, width)
        x = x + self.out(gathered)
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))


class Positions(nn.Module):
    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(1, tokens, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.positions


class PlainViT(nn.Module):
    def __init__(self, width: int = 384, depth: int = 12, heads: int = 6) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.positions = Positions(1 + (SIZE // 16) ** 2, width)
        self.blocks = nn.Sequential(*(PlainBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = self.positions(torch.cat((self.token.expand(len(x), -1, -1), x), 1))
        return self.head(self.norm(self.blocks(x))[:, 0])


PLAIN: dict[str, Callable[[], nn.Module]] = {"resnet50": plain_resnet50, "vit_s_16": PlainViT}

if __name__ == "__main__":
    main()
