"""A trained model, as it is evaluated, asked and exported: what a run's folder or a checkpoint holds."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from imgcls.errors import UserError
from imgcls.plan import Plan
from imgcls.train import build
from imgcls.train.weights import fit, read
from imgcls.weights import of_checkpoint, of_run


@dataclass(frozen=True)
class Served:
    """A trained model.

    Attributes:
        model: in evaluation mode, with the weights to serve: the moving average where the run kept one.
        plan: of the run: preprocessing (``plan.format``), class names (``plan.data.classes``), and the rest.
        file: the weights were read from.
    """

    model: nn.Module
    plan: Plan
    file: Path


def load_served(path: Path, device: torch.device) -> Served:
    """Return the model of a run's folder (its best checkpoint) or of a checkpoint's folder.

    Raises:
        UserError: there is none, or it is damaged.
    """
    file = of_checkpoint(path) or of_run(path)
    if file is None:
        raise UserError(f"{path}: is neither a run's folder with a checkpoint nor a checkpoint's folder")
    written = file.with_name("plan.json")
    try:
        plan = Plan.from_json(written.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = str(error).partition("\n")[0]
        raise UserError(f"{written}: cannot be read, or was written by another version of imgcls: {why}") from None
    # synchronised statistics are of training, and would need a GPU; the names of the tensors are the same
    model = build.model(replace(plan, train=replace(plan.train, sync_batch_norm=False)), device)
    classes, channels = len(plan.data.classes), plan.format.channels
    try:
        fit(model, read(file), None, classes, channels, {})
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
    return Served(model.eval(), plan, file)
