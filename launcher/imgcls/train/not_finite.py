"""What is done about a loss that is no number."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from imgcls.data.index import Index
from imgcls.data.order import Order
from imgcls.outage import reason
from imgcls.run_folder import write_whole

if TYPE_CHECKING:
    from imgcls.train.loop import Run

_SHOWN = 6


class NotFinite(Exception):
    """The loss of a step is no finite number on some rank.

    Attributes:
        step: number of the update, from 0.
    """

    def __init__(self, step: int) -> None:
        super().__init__(f"the loss of step {step + 1} is not finite")
        self.step = step


def report(step: int, order: Order, index: Index, file: Path) -> str:
    """Write down which samples a step's global batch had, and return that in a few words.

    Args:
        step: number of the update, from 0.
        order: of the run.
        index: of the training set.
        file: a line is added to it: step and epoch from 1, the samples' numbers in the index, and their paths.
    """
    place = order.at(step)
    samples = [int(sample) for sample in place.samples]
    paths = [index.path(sample) for sample in samples]
    record = {"step": step + 1, "epoch": place.epoch + 1, "samples": samples, "paths": paths}
    where = f"all of them are in {file}"
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        write_whole(file, before + json.dumps(record) + "\n")
    except OSError as error:
        where = f"all of them could not be written to {file}: {reason(error)}"
    listed = ", ".join(paths[:_SHOWN])
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{listed}{more}; {where}"


def described(run: "Run", step: int) -> str:
    """Say which step it was, and on rank 0 of which samples; they are written down too."""
    text = f"the loss of step {step + 1} is not a finite number"
    if not run.world.leads:
        return text
    return f"{text}; its batch: {report(step, run.order, run.inputs.training.index, run.folder.not_finite)}"


def advice(run: "Run", step: int) -> str:
    """Say what a run that ends because of a step should be told."""
    steps = run.checkpoints.steps()
    last = str(run.checkpoints.path(steps[0]).relative_to(run.folder.path)) if steps else "none"
    return (
        f"{described(run, step)}\n"
        f"last checkpoint before it: {last}; "
        'lower optimizer.lr, set train.clip_norm, or train.not_finite = "skip" or "rollback"'
    )
