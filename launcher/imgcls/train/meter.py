"""Training figures of all ranks, added up without holding the steps up."""

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from imgcls.train.world import World

_SYNC_SECONDS = 0.25  # how often ranks add up their figures and look for a request to stop
_MOST_STEPS = 1000
_NEVER = 2**62  # no step has so high a number


@dataclass(frozen=True)
class Sums:
    """Figures of all ranks over some steps.

    Attributes:
        loss: sum over the samples.
        correct, seen: samples.
        seconds: that the steps took.
        bad: the first step whose loss was no finite number, counted from 0; -1: there was none.
        save: whether any rank wants a checkpoint.
    """

    loss: float
    correct: int
    seen: int
    seconds: float
    bad: int = -1
    save: bool = False


class Meter:
    """Adds up losses and hits on the device, and decides when it is time to look at them.

    Reading a figure makes the CPU wait for the GPU, and adding up over ranks makes ranks wait for each other,
    so both happen about four times a second, at steps that all ranks agree on.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.interval = 1
        self.steps = 0
        self._numbers: list[int] = []
        self._losses: list[Tensor] = []
        self._hits: list[Tensor] = []
        self._sizes: list[int] = []
        self._clock = time.monotonic()

    def add(self, step: int, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count one step of this rank: its number, mean loss, logits (N, classes), labels (N,)."""
        self._numbers.append(step)
        self._losses.append(loss)
        self._hits.append((logits.argmax(1) == labels).sum())
        self._sizes.append(len(labels))
        self.steps += 1

    @property
    def is_due(self) -> bool:
        """Whether enough steps have passed; the same on every rank."""
        return len(self._sizes) >= self.interval

    def collect(self, stop: bool, save: bool = False) -> tuple[Sums, bool]:
        """Return the sums over all ranks since the last call, and whether any rank wants to stop.

        Args:
            stop: whether this rank wants to.
            save: whether this rank wants a checkpoint.
        """
        seconds = time.monotonic() - self._clock
        mine = self._sums(float(stop), float(save), seconds)
        loss, correct, seen, stops, saves, all_seconds = self.world.sum(mine).tolist()
        bad = -1 if math.isfinite(loss) else self._first_bad()
        mean_seconds = all_seconds / self.world.size
        per_step = max(mean_seconds / max(1, len(self._sizes)), 1e-6)
        self.interval = min(max(1, round(_SYNC_SECONDS / per_step)), _MOST_STEPS)
        self._numbers, self._losses, self._hits, self._sizes = [], [], [], []
        self._clock = time.monotonic()
        sums = Sums(loss, int(correct), int(seen), max(mean_seconds, 1e-6), bad, saves > 0)
        return sums, stops > 0

    def _first_bad(self) -> int:
        bad = [
            step for step, loss in zip(self._numbers, self._losses, strict=True) if not math.isfinite(loss.item())
        ]
        return self.world.least(bad[0] if bad else _NEVER)

    def _sums(self, stop: float, save: float, seconds: float) -> Tensor:
        """Return loss, hits, samples, stop, save and seconds of this rank, float64 (6,), on its device."""
        device = self.world.device
        sizes = torch.tensor(self._sizes, dtype=torch.float64)
        rest = torch.tensor([float(sizes.sum()), stop, save, seconds], dtype=torch.float64).to(device)
        if not self._sizes:
            return torch.cat([rest.new_zeros(2), rest])
        loss = (torch.stack(self._losses).double() * sizes.to(device)).sum()
        hits = torch.stack(self._hits).sum().double()
        return torch.cat([torch.stack([loss, hits]), rest])

    def restart_clock(self) -> None:
        """Leave out the time that an evaluation took."""
        self._clock = time.monotonic()
