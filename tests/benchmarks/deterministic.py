"""What ``train.deterministic = true`` costs: images a second with it and without, of one model in one run.

Run as ``python tests/benchmarks/deterministic.py [--model resnet50] [--rounds 7] [--seconds 5]``.

A step is the training loop's own: forward pass, loss, backward pass and SGD on one made-up batch that lies on the
device. On a GPU: ResNet-50 in bf16, channels_last, 256 images of 224 pixels. On a CPU: ResNet-18 in float32, 4 images
of 32 pixels; there torch's algorithms repeat anyway, and a ratio near 1 is to be expected.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import measure
import torch
from measure import Speed, say
from torch import Tensor

from imgcls.component import load
from imgcls.train.criterion import Supervised
from imgcls.train.determinism import set_determinism
from imgcls.train.environment import prepare_environment
from imgcls.train.step import Step, autocast
from imgcls_zoo.catalog import MODELS

CLASSES = 1000
_WARM_UP = 3  # steps before the clock starts, of every round: cuDNN tries its algorithms in the first
_GOAL = 0.9


@dataclass(frozen=True)
class Case:
    """What is trained: a model on so many images of so many pixels."""

    model: str
    batch: int
    size: int
    device: torch.device

    @property
    def precision(self) -> str:
        """Bf16 on a GPU, float32 on a CPU."""
        return "bf16" if self.device.type == "cuda" else "float32"

    def describe(self) -> str:
        """Return all of it in words."""
        where = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU"
        return (
            f"{self.model}, {self.batch} images of {self.size} pixels, {self.precision}, channels_last, on {where}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    on_gpu = torch.cuda.is_available()
    parser.add_argument("--model", default="resnet50" if on_gpu else "resnet18_cifar")
    parser.add_argument("--batch", type=int, default=256 if on_gpu else 4, help="images of a step")
    parser.add_argument("--size", type=int, default=224 if on_gpu else 32, help="pixels of an image's side")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5, help="timed in each round and side")
    parser.add_argument("--patience", type=float, default=20, help="seconds to wait for a quiet machine")
    options = parser.parse_args()
    prepare_environment()
    case = Case(options.model, options.batch, options.size, torch.device("cuda" if on_gpu else "cpu"))
    measure.header("Determinism: training with train.deterministic = true against false")
    say(f"\n{case.describe()}; {options.seconds:g} s timed after {_WARM_UP} steps")
    sides: dict[str, Callable[[], Speed]] = {
        "deterministic": Side(case, True, options.seconds),
        "fastest": Side(case, False, options.seconds),
    }
    found = measure.in_turn(sides, options.rounds, "images/s", options.patience)
    measure.ends([measure.ratio(found, "deterministic", "fastest", _GOAL)])


@dataclass
class Side:
    """One setting, with a model of its own.

    Attributes:
        case: what is trained.
        deterministic: the setting.
        seconds: that are timed.
    """

    case: Case
    deterministic: bool
    seconds: float
    step: Step = field(init=False)
    images: Tensor = field(init=False)
    labels: Tensor = field(init=False)

    def __post_init__(self) -> None:
        case = self.case
        torch.manual_seed(1)
        component = next(component for component in MODELS if component.name == case.model)
        model = load(component.build)(component.defaults, num_classes=CLASSES, in_channels=3)
        model = model.to(case.device, memory_format=torch.channels_last).train()
        optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9, weight_decay=1e-4)
        criterion = Supervised(torch.nn.CrossEntropyLoss())
        context = autocast(case.precision, case.device)
        self.step = Step(model, criterion, optimizer, context, channels_last=True)
        self.images = torch.randn(case.batch, 3, case.size, case.size, device=case.device)
        self.labels = torch.arange(case.batch, device=case.device) % CLASSES

    def __call__(self) -> Speed:
        """Make steps for some time, and return images a second."""
        set_determinism(self.deterministic)
        for _ in range(_WARM_UP):
            self._make()
        self._wait()
        watch, end, steps = measure.Watch(os.getpid()), time.perf_counter() + self.seconds, 0
        while time.perf_counter() < end:
            for _ in range(
                5 if self.case.device.type == "cuda" else 1
            ):  # so that a GPU is not waited for each time
                self._make()
                steps += 1
            self._wait()
        return watch.stop(steps * self.case.batch)

    def _make(self) -> None:
        self.step(self.images, self.labels, 1)

    def _wait(self) -> None:
        if self.case.device.type == "cuda":
            torch.cuda.synchronize(self.case.device)


if __name__ == "__main__":
    main()
