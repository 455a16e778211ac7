"""The bare side of steps.py: a training script as one would write it, data in memory as tensors.

torchrun --nproc-per-node 2 tests/benchmarks/bare_ddp.py --model resnet18 --seconds 10
python tests/benchmarks/bare_ddp.py --model resnet18 --threads 2 --seconds 10

Started by torchrun it uses DDP, else it is a plain loop in one process. It keeps no metrics and has no schedule. Rank 0 prints a measure.Speed as JSON.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict

import measure
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from imgcls.component import load
from imgcls_zoo.catalog import MODELS

CLASSES = 10


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64, help="samples of a step, over all ranks")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--warm-up", type=int, default=20, help="steps that are not timed")
    parser.add_argument("--threads", type=int, default=1, help="torch's, of each process")
    parser.add_argument("--plain-ddp", action="store_true", help="DDP's defaults: buffers are sent at each step")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ranks = int(os.environ.get("WORLD_SIZE", 0))  # 0: not started by torchrun
    model = build(options.model, options.channels)
    parallel = in_parallel(model, options.plain_ddp) if ranks else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loss_of = nn.CrossEntropyLoss()
    images, labels = data(options.batch // max(1, ranks), options.size, options.channels)

    def step(number: int) -> None:
        loss = loss_of(parallel(images[number % len(images)]), labels[number % len(images)])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    for number in range(options.warm_up):
        step(number)
    per_step = agreed(options.warm_up, step)
    steps = max(10, round(options.seconds / per_step))
    if ranks:
        dist.barrier()
    watch = measure.Watch(os.getppid() if ranks else os.getpid())  # torchrun, and so both ranks
    for number in range(steps):
        step(number)
    speed = watch.stop(steps)
    if ranks:
        dist.barrier()
    if not ranks or dist.get_rank() == 0:
        print(json.dumps(asdict(speed)), flush=True)
    if ranks:
        dist.destroy_process_group()


def in_parallel(model: nn.Module, plain: bool) -> nn.Module:
    dist.init_process_group("gloo")
    settings = {} if plain else {"broadcast_buffers": False, "gradient_as_bucket_view": True}
    return DistributedDataParallel(model, **settings)


def build(name: str, channels: int) -> nn.Module:
    torch.manual_seed(1)
    component = next(component for component in MODELS if component.name == name)
    model: nn.Module = load(component.build)(component.defaults, num_classes=CLASSES, in_channels=channels)
    return model


def data(batch: int, size: int, channels: int, batches: int = 64) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return batches of normalised noise of fixed seed: what the pixels are takes no time."""
    generator = torch.Generator().manual_seed(int(os.environ.get("RANK", 0)))
    images = torch.randn(batches * batch, channels, size, size, generator=generator)
    labels = torch.randint(CLASSES, (batches * batch,), generator=generator)
    return list(images.split(batch)), list(labels.split(batch))


def agreed(count: int, step: Callable[[int], None]) -> float:
    """Return the seconds of a step, the same on every rank."""
    began = time.perf_counter()
    for number in range(count):
        step(number)
    seconds = torch.tensor((time.perf_counter() - began) / count, dtype=torch.float64)
    if dist.is_initialized():
        dist.broadcast(seconds, 0)
    return float(seconds)


if __name__ == "__main__":
    main()
