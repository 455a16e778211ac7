"""The mean of a run's last checkpoints: stochastic weight averaging over what the run kept.

Izmailov et al., 2018, arXiv:1803.05407.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from imgcls.data.loader import training_batches
from imgcls.data.pipeline import Machine
from imgcls.errors import UserError
from imgcls.plan import IndexFile, Plan
from imgcls.run_folder import RunFolder, read_json
from imgcls.train import build
from imgcls.train.checkpoint import Checkpoints, State, write_folder
from imgcls.train.freeze import freeze
from imgcls.train.snapshot import Snapshot
from imgcls.train.step import autocast, seed_step
from imgcls.train.weights import Tensors, fit, read
from imgcls.train.world import pick_device, set_threads
from imgcls.weights import of_checkpoint

RECORD = "averaged.json"  # what tells such a folder from others
_FEWEST = 2
Progress = Callable[[int, int], None]  # takes the number of images done, and of all


@dataclass(frozen=True)
class Chosen:
    """Checkpoints to average.

    Attributes:
        steps: that they are of, ascending.
        files: the weights to serve of each: the moving average where the run kept one.
        plan: of the newest.
        state: of the newest.
    """

    steps: tuple[int, ...]
    files: tuple[Path, ...]
    plan: Plan
    state: State


def choose(run: RunFolder, last: int | None, steps: Sequence[int] | None) -> Chosen:
    """Return the checkpoints to average, each of them whole.

    Args:
        run: their run.
        last: how many of the newest; None: all that the run keeps of them.
        steps: that they are of; None: the newest.

    Raises:
        UserError: they are not there, too few, or damaged; damaged ones are named.
    """
    checkpoints = Checkpoints(run.checkpoints, 1, lambda _text: None)
    there = checkpoints.steps()
    if not there:
        raise UserError(f"{run.path}: is no run's folder with checkpoints")
    wanted = _newest(run, there, _plan(checkpoints, there[0]), last) if steps is None else _named(there, steps)
    damaged = [(checkpoints.path(step), checkpoints.fault(step)) for step in wanted]
    faults = [f"{path}: {fault}" for path, fault in damaged if fault is not None]
    if faults:
        rest = [str(step) for step in wanted if checkpoints.fault(step) is None]
        advice = f"give --steps {','.join(rest)}" if len(rest) >= _FEWEST else "too few are whole to average"
        raise UserError("\n".join([*faults, f"a damaged checkpoint is not averaged; {advice}"]))
    files = [of_checkpoint(checkpoints.path(step)) for step in wanted]
    newest = wanted[-1]
    state = State(**read_json(checkpoints.path(newest) / "state.json")["run"])
    return Chosen(tuple(wanted), tuple(file for file in files if file), _plan(checkpoints, newest), state)


def _newest(run: RunFolder, there: Sequence[int], plan: Plan, last: int | None) -> list[int]:
    # the best one is kept too, however old it is: it is not among the newest
    keep = plan.checkpoint.keep
    kept = sorted(there[:keep])
    count = len(kept) if last is None else last
    if len(kept) < max(count, _FEWEST):
        more = max(count, _FEWEST)
        what = "is 1 checkpoint" if len(kept) == 1 else f"are {len(kept)} checkpoints"
        how = (
            f"a run keeps its checkpoint.keep = {keep} newest: set checkpoint.keep = {more} and train again"
            if keep < more
            else "train on until there are more"
        )
        raise UserError(
            f"{run.path}: there {what} of its newest, {more} are to be averaged; {how}, or name others by --steps"
        )
    return kept[len(kept) - count :]


def _named(there: Sequence[int], steps: Sequence[int]) -> list[int]:
    missing = sorted(set(steps) - set(there))
    listed = ", ".join(str(step) for step in sorted(there))
    if missing:
        raise UserError(f"--steps {','.join(map(str, missing))}: no such checkpoints; there are {listed}")
    if len(set(steps)) < _FEWEST:
        raise UserError(f"--steps: name two at least; there are {listed}")
    return sorted(set(steps))


def _plan(checkpoints: Checkpoints, step: int) -> Plan:
    file = checkpoints.path(step) / "plan.json"
    try:
        return Plan.from_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = str(error).partition("\n")[0]
        raise UserError(f"{file}: cannot be read, or was written by another version of imgcls: {why}") from None


def mean(files: Sequence[Path]) -> Tensors:
    """Return the mean of each tensor over files, added up in float64; of whole numbers, the last file's."""
    sums: Tensors = {}
    tensors: Tensors = {}
    for file in files:
        tensors = read(file)
        for name, tensor in tensors.items():
            if tensor.is_floating_point():
                sums[name] = sums[name] + tensor if name in sums else tensor.double()
    return {
        name: (sums[name] / len(files)).to(newest.dtype) if newest.is_floating_point() else newest
        for name, newest in tensors.items()
    }


def restated(tensors: Tensors, plan: Plan, cache: Path, progress: Progress) -> Tensors | None:
    """Return tensors with batch norm's statistics measured anew; None: the model has none to measure.

    The mean of statistics belongs to no weights: those of averaged weights are measured in one pass over the last
    epoch's batches, augmented and mixed as in training, as Izmailov et al. do (section 3.2).

    Args:
        tensors: of the model.
        plan: of the run.
        cache: folder of index files.
        progress: called with the number of images done, and of all.

    Raises:
        UserError: the training set is gone, or an image cannot be decoded.
    """
    device = pick_device(0)
    model = _model(tensors, plan, device)
    norms = [
        module
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training and module.track_running_stats
    ]
    if not norms:
        return None
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    _pass(model, _where(plan, cache), device, progress)
    found = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    counters = {name for name in tensors if name.endswith("num_batches_tracked")}
    return {name: tensors[name] if name in counters else found[name] for name in tensors}


def _model(tensors: Tensors, plan: Plan, device: torch.device) -> nn.Module:
    settings = plan.train
    model = build.model(replace(plan, train=replace(settings, sync_batch_norm=False)), device)
    fit(model, tensors, None, len(plan.data.classes), plan.format.channels, {})
    freeze(model, settings.freeze)  # what is frozen keeps its statistics
    if settings.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.backends.cudnn.deterministic = settings.deterministic
    return model


def _where(plan: Plan, cache: Path) -> Plan:
    """Return a plan that finds its indexes: a storage that was moved keeps them."""

    def found(file: IndexFile) -> IndexFile:
        moved = cache / Path(file.path).name
        return replace(file, path=str(moved)) if not Path(file.path).is_file() and moved.is_file() else file

    data = replace(plan.data, train=found(plan.data.train), validation=found(plan.data.validation))
    return replace(plan, data=data)


@torch.no_grad()
def _pass(model: nn.Module, plan: Plan, device: torch.device, progress: Progress) -> None:
    """Give a model the last epoch of training, in parts as a worker would get them."""
    loading = plan.loading
    if device.type == "cpu" and loading.decode == "gpu":  # the run's workers had GPUs
        loading = replace(loading, decode="auto")
    machine = build.machine(loading, device, set_threads(None, 1))
    precision = autocast(plan.train.precision, device)
    parts = plan.train.accumulate * max(1, plan.workers.count)
    done = 0
    for number, images in _images(plan, machine):
        seed_step(plan.seed, number, 0)
        for part in images.tensor_split(min(parts, max(1, len(images) // 2))):
            with precision():
                model(part.contiguous(memory_format=torch.channels_last) if plan.train.channels_last else part)
        done += len(images)
        progress(done, plan.data.train.samples)


def _images(plan: Plan, machine: Machine) -> Iterator[tuple[int, Tensor]]:
    lost = None if plan.data.on_bad_image == "fail" else _passed_over
    try:
        inputs = build.inputs(plan)
    except OSError as error:
        raise UserError(
            f"the training set's index cannot be read: {error}; batch norm's statistics are measured on the "
            "training set: bring it back, or give --statistics mean"
        ) from None
    order = inputs.order
    start = order.total_steps - order.steps_per_epoch
    batches = training_batches(inputs.training, order, start, 0, 1, machine, lost, inputs.growth)
    for batch in batches:
        yield batch.place.step, inputs.mixing(batch)[0]


def _passed_over(_path: str, _reason: str) -> None:
    pass


def write(folder: Path, tensors: Tensors, chosen: Chosen, statistics: str) -> None:
    """Write averaged weights as a checkpoint's folder: ``model.safetensors``, ``plan.json``, checksums.

    Raises:
        OSError: it cannot be written.
    """
    record = {"steps": chosen.steps, "of": [file.name for file in chosen.files], "statistics": statistics}
    texts = {"plan.json": chosen.plan.to_json(), RECORD: json.dumps(record, indent=1)}
    kept = {name: tensor.contiguous() for name, tensor in tensors.items()}
    write_folder(folder, Snapshot(chosen.steps[-1], {"model.safetensors": kept}, texts, best=-1))
