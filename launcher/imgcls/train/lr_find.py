"""The learning-rate range test: the loss while the rate rises from step to step.

Smith, 2015, Cyclical learning rates for training neural networks, arXiv:1506.01186, section 3.3; with an
exponential rise.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imgcls.data.loader import Batch, training_batches
from imgcls.plan import Plan
from imgcls.train import build, peers
from imgcls.train.build import Inputs
from imgcls.train.step import Step, autocast, scaler_for, seed_step, set_rate
from imgcls.train.world import pick_device, set_threads

DIVERGED = 4.0  # times the least loss, at which the test ends
_SETTLED = 5  # steps before it may end
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """What was found, step by step.

    Attributes:
        rates: float64 (n,), rising; those that would be written as ``optimizer.lr``.
        losses: float64 (n,), of the batches, before each update; finite.
        smoothed: float64 (n,), their mean over neighbouring steps on both sides, so that nothing is shifted.
        diverged: whether the test ended because the loss had grown, or was no number.
    """

    rates: Floats
    losses: Floats
    smoothed: Floats
    diverged: bool

    @property
    def least(self) -> int:
        """The step with the least smoothed loss."""
        return int(self.smoothed.argmin())

    @property
    def steepest(self) -> int | None:
        """The step at which the smoothed loss falls fastest over the rate's logarithm; None: it does not fall."""
        before = self.smoothed[: self.least + 1]
        if len(before) < 3 or before.mean() - before[-1] < 2 * self.noise:
            return None
        return int(np.gradient(before).argmin())

    @property
    def noise(self) -> float:
        """About how far chance moves a batch's loss; a rise at the end does not count."""
        upto = max(self.least + 1, len(self.losses) // 4)
        apart = np.abs(np.diff(self.losses[:upto]))
        # of two independent normal numbers: median |a - b| = 0.6745 sqrt(2) sigma
        return float(np.median(apart)) / (0.6745 * math.sqrt(2))

    @property
    def still_falling(self) -> bool:
        """Whether the least loss is at the end, so that a higher rate may be better yet."""
        return not self.diverged and self.least >= len(self.rates) - 2


def find(plan: Plan, steps: int, first: float, last: float, progress: Callable[[int, int], None]) -> Curve:
    """Train with a rate that rises exponentially, until the loss is four times the least, in this process.

    With the recipe's data, model, optimizer, loss, precision and clipping; without its schedule, moving average
    and callbacks. A batch is cut into as many parts as the recipe has workers, and nothing is written.

    Args:
        plan: of a run; its workers are not started.
        steps: at most.
        first, last: ``optimizer.lr`` at the first and at the last step.
        progress: called with the number of images seen, and of all that would be, about.

    Raises:
        UserError: an image that cannot be decoded, weights that do not fit.
    """
    rates = np.geomspace(first, last, steps)
    losses: list[float] = []
    average = Average(memory=steps / 20)
    diverged = False
    for loss in _losses(plan, rates):
        diverged = not math.isfinite(loss) or (average.add(loss) and len(losses) >= _SETTLED)
        if not math.isfinite(loss):
            break
        losses.append(loss)
        progress(len(losses) * plan.train.batch_size, steps * plan.train.batch_size)
        if diverged:
            break
    return curve(rates[: len(losses)], np.array(losses), steps / 50, diverged)


class Average:
    """A moving average over the steps so far, and the least that it has been.

    Args:
        memory: steps that it goes back, about.
    """

    def __init__(self, memory: float) -> None:
        self.keep = 1 - 1 / (1 + memory)
        self.sum = self.weight = 0.0
        self.least = math.inf

    def add(self, loss: float) -> bool:
        """Take in a loss; return whether the average is now more than four times the least."""
        self.sum = self.keep * self.sum + (1 - self.keep) * loss
        self.weight = self.keep * self.weight + (1 - self.keep)
        now = self.sum / self.weight
        self.least = min(self.least, now)
        return now > DIVERGED * self.least


def curve(rates: Floats, losses: Floats, width: float, diverged: bool) -> Curve:
    """Return the curve through losses, smoothed by a Gaussian of a width in steps."""
    if not len(losses):
        return Curve(rates, losses, losses, diverged)
    # a last loss of a million would raise what comes before it, too
    limited = np.minimum(losses, DIVERGED * losses.min()) if losses.min() > 0 else losses
    steps = np.arange(len(losses))
    weights = np.exp(-0.5 * ((steps[:, None] - steps) / max(width, 1.0)) ** 2)
    return Curve(rates, losses, weights @ limited / weights.sum(1), diverged)


def _losses(plan: Plan, rates: Floats) -> Iterator[float]:
    """Yield the loss of each batch, an update made after each at its own rate."""
    device = pick_device(0)
    machine = build.machine(plan.loading, device, set_threads(None, 1))
    inputs = build.inputs(plan)
    order = inputs.order
    # as many epochs as it takes
    order = replace(order, epochs=max(1, -(-len(rates) // order.steps_per_epoch)))
    step = _step(plan, inputs, device)
    base = _base(plan, step.optimizer)
    lost = None if plan.data.on_bad_image == "fail" else _passed_over
    batches = training_batches(inputs.training, order, 0, 0, 1, machine, lost, inputs.growth)
    for number, (rate, batch) in enumerate(zip(rates, batches, strict=False)):
        set_rate(step.optimizer, rate / base)
        seed_step(plan.seed, number, 0)
        yield _update(step, inputs, batch)


def _update(step: Step, inputs: Inputs, batch: Batch) -> float:
    images, targets = inputs.mixing(batch)
    made = step(images, targets, 1)
    assert made is not None  # nothing vets it
    return float(made[0])


def _passed_over(_path: str, _reason: str) -> None:
    pass


def _step(plan: Plan, inputs: Inputs, device: torch.device) -> Step:
    settings = plan.train
    model = build.model(plan, device)
    build.start(plan, model)
    build.prepare(plan, model)
    trained = peers.trained(plan, model, device)
    return Step(
        trained.train(),
        build.criterion(plan, device, inputs.training.index),
        peers.optimizer(plan, trained),
        autocast(settings.precision, device),
        # batch norm then sees what each worker's would see, and memory is a worker's
        settings.accumulate * max(1, plan.workers.count),
        peers.clipping_each(settings, trained, len(plan.data.classes)),
        scaler_for(settings.precision, device),
        settings.channels_last,
    )


def _base(plan: Plan, optimizer: torch.optim.Optimizer) -> float:
    """Return the recipe's ``optimizer.lr``; of an optimizer without such an option, its groups' highest rate."""
    written: Any = plan.optimizer.options.get("lr")
    if isinstance(written, int | float) and written > 0:
        return float(written)
    return max(float(group["lr"]) for group in optimizer.param_groups)
