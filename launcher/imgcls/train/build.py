"""Plan -> the objects of a run."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from imgcls.data.augmentation import Augmentation, Crop, Mix
from imgcls.data.growing import Growth
from imgcls.data.index import Index
from imgcls.data.mixing import Mixing
from imgcls.data.order import Order
from imgcls.data.pipeline import Evaluation, Machine, Training
from imgcls.data.sampling import balanced
from imgcls.errors import UserError
from imgcls.plan import IndexFile, Plan, Reference
from imgcls.recipe.schema import Loading, Sampling
from imgcls.train import distill
from imgcls.train.callback import Callback, Tracker
from imgcls.train.criterion import Criterion, Supervised
from imgcls.train.freeze import freeze
from imgcls.train.recompute import recompute
from imgcls.train.weights import fit, read
from imgcls.train.world import World
from imgcls.weights import here


@dataclass(frozen=True)
class Inputs:
    """Both sides of the data: what is read in which order, and how it is made into tensors.

    Attributes:
        order: of the training set.
        training: at the size that images have at the end.
        growth: their size in each epoch; None: it is the same in all.
        mixing: of training's batches.
        evaluation: of the validation set.
    """

    order: Order
    training: Training
    mixing: Mixing
    evaluation: Evaluation
    growth: Growth | None


def inputs(plan: Plan) -> Inputs:
    """Read the indexes and build the transforms.

    Raises:
        UserError: an index that is not the plan's; batches too small to mix on this many workers.
    """
    train, validation = _index(plan.data.train), _index(plan.data.validation)
    crop, augmentations, mixes = _augmentations(plan.augment)
    mixing = Mixing(mixes, plan.seed, len(plan.data.classes))
    order = Order(
        len(train),
        plan.train.batch_size,
        plan.train.epochs,
        plan.seed,
        plan.train.last_batch,
        _weights(plan.sampling, train),
        train.labels,
        plan.sampling.repeats,
        mixing.group,
    )
    workers = max(1, plan.workers.count)
    if order.smallest_part(workers) < 1:
        raise UserError(
            f"batches of {plan.train.batch_size} cannot be mixed in pairs on {workers} workers; raise it"
        )
    return Inputs(
        order,
        Training(train, plan.format.training, crop, augmentations, plan.seed),
        mixing,
        Evaluation(validation, plan.format),
        Growth.of(plan),
    )


def _weights(sampling: Sampling, index: Index) -> NDArray[np.float64] | None:
    """Return the weights of the training set's samples; None where each comes once."""
    weights = balanced(index.labels, sampling.balance) if sampling.balance else None
    if sampling.weighted and index.weights is not None:
        return index.weights if weights is None else weights * index.weights
    return weights


def _index(file: IndexFile) -> Index:
    index = Index.load(Path(file.path), Path(file.root))
    if index.digest != file.digest:
        raise UserError(f"{file.path} is not the index this run was planned with; remove it")
    return index


def _augmentations(
    references: tuple[Reference, ...],
) -> tuple[Crop | None, list[tuple[str, Augmentation]], list[tuple[str, Mix]]]:
    """Return the crop, the operations on single images in order, and what mixes images; named for their draws."""
    crop: Crop | None = None
    augmentations: list[tuple[str, Augmentation]] = []
    mixes: list[tuple[str, Mix]] = []
    seen: Counter[str] = Counter()
    for reference in references:
        built = reference.construct()
        if isinstance(built, Crop):
            if crop is not None or augmentations:
                raise UserError(
                    f"augment {reference.name}: a crop must be the first augmentation, and the only crop"
                )
            crop = built
            continue
        # named by its own count, so that another augmentation beside it leaves its draws as they were
        stream = f"{reference.name}/{seen[reference.name]}"
        seen[reference.name] += 1
        if isinstance(built, Mix):
            mixes.append((stream, built))
        elif mixes:
            raise UserError(
                f"augment {reference.name}: must come before {mixes[0][0].partition('/')[0]}, which mixes"
            )
        else:
            augmentations.append((stream, built))
    return crop, augmentations, mixes


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
    if plan.train.sync_batch_norm:
        if device.type != "cuda":
            raise UserError("train.sync_batch_norm = true needs GPUs; torch has no such layer for CPUs")
        built = nn.SyncBatchNorm.convert_sync_batchnorm(built)  # type: ignore[no-untyped-call]
    return built.to(device)


def prepare(plan: Plan, model: nn.Module) -> None:
    """Make a model ready to be trained as the recipe says, in place.

    Raises:
        UserError: what cannot be done with this model.
    """
    settings = plan.train
    freeze(model, settings.freeze)
    if settings.activation_checkpointing:
        recompute(model)
    if settings.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if settings.compile:
        model.compile()


def start(plan: Plan, of: nn.Module) -> list[str]:
    """Load the weights that the recipe names into a model; return what to say of it, a line each.

    Raises:
        UserError: they are gone, or not this model's; nothing is loaded then.
    """
    if plan.weights is None:
        return []
    channels, classes = plan.format.channels, len(plan.data.classes)
    fitted = fit(
        of,
        read(here(plan.weights)),
        lambda classes, channels: plan.model.construct(num_classes=classes, in_channels=channels),
        classes,
        channels,
        plan.model.known_layouts(),
        plan.weights.layout,
    )
    names = "" if fitted.layout == "own" else f", names of {fitted.layout}"
    head = f"weights: {fitted.loaded} tensors of {plan.weights.source}{names}, SHA-256 {plan.weights.sha256[:12]}"
    return [head, *(f"weights: {note}" for note in fitted.notes)]


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
    built: torch.optim.Optimizer = plan.optimizer.construct(model=of, batch_size=plan.train.batch_size)
    return built


def criterion(plan: Plan, device: torch.device, training: Index) -> Criterion:
    """Return the recipe's loss, which may weigh classes by how many samples of a training set they have.

    Raises:
        UserError: it needs a teacher, which cannot be had.
    """
    classes = len(plan.data.classes)
    counts = np.bincount(training.labels, minlength=classes)
    loss: nn.Module = plan.loss.construct(num_classes=classes, class_counts=counts)
    return distill.criterion(plan, Supervised(loss.to(device)), device)
