"""Plan -> the objects of a run."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from imgcls.data.augmentation import Augmentation, Crop
from imgcls.data.index import Index
from imgcls.data.order import Order
from imgcls.data.pipeline import Evaluation, Machine, Training
from imgcls.errors import UserError
from imgcls.plan import IndexFile, Plan, Reference
from imgcls.recipe.schema import Loading
from imgcls.train.callback import Callback, Tracker
from imgcls.train.world import World


@dataclass(frozen=True)
class Inputs:
    """Both sides of the data: what is read in which order, and how it is made into tensors."""

    order: Order
    training: Training
    evaluation: Evaluation


def inputs(plan: Plan) -> Inputs:
    """Read the indexes and build the transforms.

    Raises:
        UserError: an index that is not the plan's.
    """
    train, validation = _index(plan.data.train), _index(plan.data.validation)
    order = Order(len(train), plan.train.batch_size, plan.train.epochs, plan.seed, plan.train.last_batch)
    crop, augmentations = _augmentations(plan.augment)
    return Inputs(
        order,
        Training(train, plan.format, crop, augmentations, plan.seed),
        Evaluation(validation, plan.format),
    )


def _index(file: IndexFile) -> Index:
    index = Index.load(Path(file.path), Path(file.root))
    if index.digest != file.digest:
        raise UserError(f"{file.path} is not the index this run was planned with; remove it")
    return index


def _augmentations(references: tuple[Reference, ...]) -> tuple[Crop | None, list[tuple[str, Augmentation]]]:
    crop: Crop | None = None
    augmentations: list[tuple[str, Augmentation]] = []
    seen: Counter[str] = Counter()
    for reference in references:
        built = reference.construct()
        if isinstance(built, Crop):
            if crop is not None or augmentations:
                raise UserError(
                    f"augment {reference.name}: a crop must be the first augmentation, and the only crop"
                )
            crop = built
        else:
            # named by its own count, so that another augmentation beside it leaves its draws as they were
            augmentations.append((f"{reference.name}/{seen[reference.name]}", built))
            seen[reference.name] += 1
    return crop, augmentations


def machine(loading: Loading, device: torch.device, threads: int) -> Machine:
    """Return what the pipelines of this process run on.

    Raises:
        UserError: decoding on a GPU where there is none.
    """
    device_id = device.index if device.type == "cuda" else None
    if loading.decode == "gpu" and device_id is None:
        raise UserError('loading.decode = "gpu", but this worker has no GPU; set it to "auto" or "cpu"')
    return Machine(device_id, loading.threads or threads, loading.prefetch, loading.decode)


def model(plan: Plan, device: torch.device) -> nn.Module:
    """Return the model with weights drawn from the run's seed."""
    torch.manual_seed(plan.seed)
    built: nn.Module = plan.model.construct(num_classes=len(plan.data.classes), in_channels=plan.format.channels)
    return built.to(device)


def schedule(plan: Plan, order: Order) -> Any:
    """Return the function from an update's number to the rate's factor."""
    return plan.schedule.construct(total_steps=order.total_steps, steps_per_epoch=order.steps_per_epoch)


def callbacks(plan: Plan) -> list[Callback]:
    """Return the recipe's callbacks."""
    return [reference.construct() for reference in plan.callback]


def trackers(plan: Plan, folder: Path, world: World) -> list[Tracker]:
    """Return the recipe's trackers, on rank 0."""
    return [reference.construct(folder=folder) for reference in plan.track] if world.leads else []


def optimizer(plan: Plan, of: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer over a model's parameters."""
    return plan.optimizer.construct(model=of)  # type: ignore[no-any-return]


def loss(plan: Plan, device: torch.device) -> nn.Module:
    """Return the loss."""
    built: nn.Module = plan.loss.construct(num_classes=len(plan.data.classes))
    return built.to(device)
