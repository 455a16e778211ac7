"""A run's evaluation: its model as it is now, on the validation set, over all ranks."""

import gc
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from imgcls.data.loader import evaluation_batches
from imgcls.train.evaluate import Score, evaluate, in_step

if TYPE_CHECKING:
    from imgcls.train.loop import Run

Pair = tuple[Tensor, Tensor]


def scored(run: "Run") -> Score:
    """Return the score of the model, or of the average of its weights where the run keeps one; on every rank."""
    world, settings = run.world, run.plan.train
    size = settings.eval_batch_size
    batches = evaluation_batches(
        run.inputs.evaluation, size, world.rank, world.size, run.machine, run.lost, run.warn_from_any_rank
    )
    classes = len(run.plan.data.classes)
    with nullcontext() if run.average is None else run.average.in_place():
        world.share(list(run.model.buffers()))
        score = evaluate(run.model, _every(run, batches), size, classes, run.precision, world, settings.eval_flip)
    gc.collect()  # a DALI pipeline refers to itself, and would keep its batches and threads for long
    return score


def _every(run: "Run", batches: Iterator[Pair]) -> Iterator[Pair]:
    """Yield the batches, as many on every rank where a forward pass takes all of them."""
    if run.plan.train.parallel != "fsdp":
        return _counted(run, batches)
    form = run.plan.format
    nothing = torch.empty(0, form.channels, form.size, form.size, device=run.world.device)
    return in_step(_counted(run, batches), nothing, run.world)


def _counted(run: "Run", batches: Iterator[Pair]) -> Iterator[Pair]:
    """Yield the batches, and let the watch know of each."""
    for batch in batches:
        run.world.pulse(run.state.step, "evaluating")
        yield batch
    run.world.pulse(run.state.step, "adding up scores")
