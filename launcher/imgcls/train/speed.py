"""How fast a model trains where its input costs nothing."""

import time

import torch

from imgcls.plan import Plan
from imgcls.train import build
from imgcls.train.step import Step, autocast

_FEW = 4  # images of a step that is quick, and that batch norm can do


def images_per_second(plan: Plan, device: torch.device, batch_size: int, seconds: float) -> float:
    """Return images a second over training steps on one made-up batch.

    Args:
        plan: of a run; precision and optimizer are its own.
        device: where to train.
        batch_size: of one worker; fewer images are taken where a step on them would take too long.
        seconds: for all; a third of it, and one step at least, goes before the clock starts.
    """
    form, classes = plan.format.training, len(plan.data.classes)
    model = build.model(plan, device)
    optimizer = build.optimizer(plan, model)
    criterion = build.criterion(plan, device, build.inputs(plan).training.index)
    images = torch.randn(batch_size, form.channels, form.size, form.size, device=device)
    labels = torch.arange(batch_size, device=device) % classes
    update = Step(model, criterion, optimizer, autocast(plan.train.precision, device))

    def step(n: int) -> float:
        """Return the seconds that a step on n images took."""
        start = time.perf_counter()
        update(images[:n], labels[:n], 1)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    begun = time.perf_counter()
    few = min(batch_size, _FEW)
    step(few)
    n = max(few, min(batch_size, int(seconds / 4 * few / step(few))))
    step(n)
    while time.perf_counter() - begun < seconds / 3:
        step(n)
    took = [step(n)]
    while time.perf_counter() - begun < seconds:
        took.append(step(n))
    return n * len(took) / sum(took)


def name_of(device: torch.device) -> str:
    """Return a GPU's name, or ``CPU``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
