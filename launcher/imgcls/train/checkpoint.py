"""Checkpoints: the whole state of a run in a folder that is written whole, verified when read, never unpickled."""

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from imgcls.run_folder import read_json, write_whole

_PREFIX = "step-"
_LATEST = "latest"
_MANIFEST = "manifest.json"


@dataclass
class State:
    """Where a run is. With model and optimizer, all there is to continue: data and rates depend on ``step``.

    Attributes:
        step: updates made.
        epochs_ended: epochs whose evaluation is done too.
        seconds: of training so far, over all launches.
        loss_sum, correct, seen: sums over this epoch's samples so far.
        log_loss, log_seen: sums over the samples since the last line in the log.
        best_top1, best_step: the best evaluation so far; -1 for none.
        metrics: of the last evaluation.
        stale: evaluations since the best one.
        stopped_early: the run has ended before its last epoch, as its patience says.
        passed_over: steps whose loss was not finite, and which are left out.
        schedule: of a schedule that has a state.
        scaler: of the loss scaler.
    """

    step: int = 0
    epochs_ended: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    log_loss: float = 0.0
    log_seen: int = 0
    best_top1: float = -1.0
    best_step: int = -1
    metrics: dict[str, float] = field(default_factory=dict)
    stale: int = 0
    stopped_early: bool = False
    passed_over: list[int] = field(default_factory=list)
    schedule: dict[str, float] = field(default_factory=dict)
    scaler: dict[str, float] = field(default_factory=dict)


class Checkpoints:
    """The checkpoints of a run: ``step-00000123`` folders, and a file ``latest`` that names the newest.

    Args:
        folder: of the checkpoints.
        keep: how many of the newest stay, beside the best.
        warn: takes a message about a checkpoint that is passed over.
    """

    def __init__(self, folder: Path, keep: int, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self.keep = keep
        self.warn = warn
        self._writing: threading.Thread | None = None
        self._failure: Exception | None = None

    def save(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        state: State,
        plan: str,
        average: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Copy the state and write it in the background; waits for the write before it.

        Args:
            model, optimizer, state: of the run.
            plan: as JSON.
            average: the moving average of the weights; the model's other tensors are written beside it.

        Raises:
            OSError: the write before this one failed.
        """
        self.finish()
        tensors, rest = _split_state(optimizer.state_dict())
        files = {"model.safetensors": _copied(model.state_dict()), "optimizer.safetensors": _copied(tensors)}
        if average is not None:
            files["ema.safetensors"] = _copied({**model.state_dict(), **average})
        texts = {
            "state.json": json.dumps({"run": asdict(state), "optimizer": rest}, indent=1),
            "plan.json": plan,
        }
        best = state.best_step
        self._writing = threading.Thread(target=self._write, args=(state.step, files, texts, best), daemon=False)
        self._writing.start()

    def finish(self) -> None:
        """Wait until everything is written.

        Raises:
            OSError: it could not be.
        """
        if self._writing is not None:
            self._writing.join()
            self._writing = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _write(
        self, step: int, files: Mapping[str, dict[str, Tensor]], texts: Mapping[str, str], best: int
    ) -> None:
        try:
            name = f"{_PREFIX}{step:08d}"
            temporary = self.folder / f".{name}.{os.getpid()}"
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            for file, tensors in files.items():
                save_file(tensors, temporary / file)
                _sync(temporary / file)
            for file, text in texts.items():
                write_whole(temporary / file, text)
            sums = {file: _sha256(temporary / file) for file in [*files, *texts]}
            write_whole(temporary / _MANIFEST, json.dumps({"sha256": sums}, indent=1))
            _sync(temporary)
            _replace_folder(temporary, self.folder / name)
            _sync(self.folder)
            write_whole(self.folder / _LATEST, name)
            self._tidy(best)
        except Exception as error:  # noqa: BLE001 (raised again in the training thread)
            self._failure = error

    def _tidy(self, best: int) -> None:
        steps = self.steps()
        for step in steps[self.keep :]:
            if step != best:
                shutil.rmtree(self.path(step), ignore_errors=True)

    def sweep(self) -> None:
        """Remove what a killed run left half written; put back what it was about to replace."""
        for left in self.folder.glob(f".{_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        for old in self.folder.glob(f".old-{_PREFIX}*"):
            target = self.folder / old.name.removeprefix(".old-")
            if target.exists():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.rename(target)

    def path(self, step: int) -> Path:
        """Return the folder of the checkpoint after a step."""
        return self.folder / f"{_PREFIX}{step:08d}"

    def steps(self) -> list[int]:
        """Return the steps there are checkpoints of, newest first."""
        names = [entry.name for entry in self.folder.glob(f"{_PREFIX}*")]
        return sorted((int(name.removeprefix(_PREFIX)) for name in names), reverse=True)

    def newest_valid(self) -> int:
        """Return the step of the newest checkpoint whose every file is what was written; -1 if there is none."""
        for step in self.steps():
            fault = _fault(self.path(step))
            if fault is None:
                return step
            self.warn(f"{self.path(step)}: {fault}; passed over for the one before")
        return -1

    def average(self, step: int) -> dict[str, Tensor]:
        """Return the moving average of the weights after a step."""
        tensors: dict[str, Tensor] = load_file(self.path(step) / "ema.safetensors")
        return tensors

    def restore(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> State:
        """Load the state after a step into model and optimizer.

        Raises:
            RuntimeError: it is of another model.
        """
        folder = self.path(step)
        model.load_state_dict(load_file(folder / "model.safetensors"))
        saved = read_json(folder / "state.json")
        tensors = load_file(folder / "optimizer.safetensors")
        optimizer.load_state_dict(_join_state(tensors, saved["optimizer"]))
        return State(**saved["run"])


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # a copy, because training goes on while it is written
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def _split_state(state: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Part an optimizer's state into named tensors and what JSON can hold."""
    tensors: dict[str, Tensor] = {}
    rest: dict[str, dict[str, Any]] = {}
    for number, entry in state["state"].items():
        rest[str(number)] = {k: v for k, v in entry.items() if not isinstance(v, Tensor)}
        tensors |= {f"{number}/{k}": v for k, v in entry.items() if isinstance(v, Tensor)}
    return tensors, {"state": rest, "param_groups": state["param_groups"]}


def _join_state(tensors: Mapping[str, Tensor], rest: dict[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {int(number): dict(entry) for number, entry in rest["state"].items()}
    for name, tensor in tensors.items():
        number, _, key = name.partition("/")
        state[int(number)][key] = tensor
    return {"state": state, "param_groups": rest["param_groups"]}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fault(folder: Path) -> str | None:
    try:
        sums: dict[str, str] = read_json(folder / _MANIFEST)["sha256"]
        for name, expected in sums.items():
            if _sha256(folder / name) != expected:
                return f"{name} is not what was written"
    except (OSError, ValueError, KeyError) as error:
        return f"cannot be read: {error}"
    return None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace_folder(new: Path, target: Path) -> None:
    old = target.with_name(f".old-{target.name}")
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
