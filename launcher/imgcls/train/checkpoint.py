"""Checkpoints: the whole state of a run in a folder that is written whole, verified when read, never unpickled."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from imgcls.errors import StorageError, UserError
from imgcls.outage import as_os_error
from imgcls.run_folder import read_json, write_whole
from imgcls.train.groups import Groups
from imgcls.train.sharded import all_divided
from imgcls.train.snapshot import Snapshot, copied, divide_state, join_state, take_part, tensors_of
from imgcls.train.world import Elsewhere
from imgcls.train.writer import Writer

_PREFIX = "step-"
_LATEST = "latest"
_MANIFEST = "manifest.json"
_NEEDED = frozenset({"model.safetensors", "optimizer.safetensors", "state.json"})


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
        warn: takes a message about a checkpoint that is passed over, or that cannot be written now.
        note: takes a message when they can be written again.
        before: called before each write; where it raises OSError the checkpoint is not written either.
        wait: seconds for which :meth:`finish` waits for storage.
        elsewhere: where each checkpoint is taken before ``latest`` names it; None: nowhere.
    """

    def __init__(
        self,
        folder: Path,
        keep: int,
        warn: Callable[[str], None],
        note: Callable[[str], None] = lambda _text: None,
        before: Callable[[], None] = lambda: None,
        wait: float = 300.0,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.folder = folder
        self.keep = keep
        self.warn = warn
        self.before = before
        self.wait = wait
        self.elsewhere = elsewhere
        self._writer = Writer(self._write, warn, note)
        self._is_made = False
        self._gave_up = False

    def save(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        state: State,
        plan: str,
        average: Mapping[str, Tensor] | None = None,
        peer: nn.Module | None = None,
        groups: Groups | None = None,
    ) -> None:
        """Copy the state, which is then written in the background; see :class:`Writer` for when this waits.

        Args:
            model, optimizer, state: of the run.
            plan: as JSON.
            average: the moving average of the weights; the model's other tensors are written beside it.
            peer: a second model that learns beside the first.
            groups: the optimizer's, as they were built; None: its options are restored as part of its state.
        """
        self._writer.make_room(state.best_step)
        tensors, rest = tensors_of(model, optimizer, average, peer)
        files = {file: copied(theirs) for file, theirs in tensors.items()}
        built = {} if groups is None else {"groups": groups.to_dict()}
        texts = {
            "state.json": json.dumps({"run": asdict(state), "optimizer": rest, **built}, indent=1),
            "plan.json": plan,
        }
        self._writer.put(Snapshot(state.step, files, texts, state.best_step))

    @staticmethod
    def take_part(
        model: nn.Module, optimizer: torch.optim.Optimizer, average: Mapping[str, Tensor] | None
    ) -> None:
        """Give the parts of sharded tensors to the rank that calls :meth:`save`; called on all others."""
        tensors, _ = tensors_of(model, optimizer, average)
        for theirs in tensors.values():
            take_part(theirs)

    def finish(self) -> None:
        """Wait until everything is written.

        Raises:
            StorageError: it could not be for longer than ``wait``.
        """
        failure = self._writer.finish(self.wait)
        self._gave_up = failure is not None
        if failure is not None:
            raise StorageError(
                f"{self._where()}: the last checkpoint could not be written within {self.wait:g} s: {failure}\n"
                f"{self._kept()}; free space or mend the storage, then give the same command again"
            )

    def _where(self) -> str:
        return str(self.folder) if self.elsewhere is None else self.elsewhere.name

    def _kept(self) -> str:
        if self.elsewhere is not None:
            newest = self.elsewhere.newest()
            before = "what was written there before is kept" if newest is None else f"{newest} is kept there"
            return f"{before}, and the checkpoint itself on this host's disk, in {self.folder}"
        try:
            steps = self.steps()
        except OSError:
            return "whatever was written before is kept"
        if not steps:
            return "there is none before it, so the run would begin anew"
        return f"{self.path(steps[0]).name} is kept, and the run continues from there"

    def close(self) -> None:
        """Write what is still to be written if storage works now, and end."""
        for step in self._writer.close():
            if self._gave_up:
                continue  # that has been said
            self.warn(f"the checkpoint of step {step} is not written")

    def _write(self, snapshot: Snapshot) -> None:
        self.before()
        self._make_folder()
        if not snapshot.is_placed:
            self._place(snapshot)
        if self.elsewhere is not None:
            self._tidy(snapshot.best)  # now: while the place is away, checkpoints would pile up here
            self.elsewhere.publish()
        write_whole(self.folder / _LATEST, self.path(snapshot.step).name)
        self._tidy(snapshot.best)

    def _make_folder(self) -> None:
        if not self._is_made:  # once: storage that is away must not become a folder on the disk below it
            self.folder.mkdir(parents=True, exist_ok=True)
            self._is_made = True

    def _place(self, snapshot: Snapshot) -> None:
        self._remove_unfinished()  # what an earlier try could not remove
        write_folder(self.path(snapshot.step), snapshot)
        snapshot.is_placed = True
        _sync(self.folder)

    def _remove_unfinished(self) -> None:
        for left in self.folder.glob(f".{_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)

    def _tidy(self, best: int) -> None:
        steps = self.steps()
        for step in steps[self.keep :]:
            if step != best:
                shutil.rmtree(self.path(step), ignore_errors=True)

    def sweep(self) -> None:
        """Remove what a killed run left half written; put back what it was about to replace."""
        self._make_folder()
        self._remove_unfinished()
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
        numbers = [entry.name.removeprefix(_PREFIX) for entry in self.folder.glob(f"{_PREFIX}*")]
        # a copy that somebody put aside, such as "step-00000100 (copy)", is none of ours
        return sorted((int(number) for number in numbers if number.isdecimal()), reverse=True)

    def newest_valid(self) -> int:
        """Return the step of the newest checkpoint whose every file is what was written; -1 if there is none."""
        steps = self.steps()
        self._miss_latest(steps)
        for step in steps:
            fault = _fault(self.path(step))
            if fault is None:
                return step
            self.warn(f"{self.path(step)}: {fault}; passed over for the one before")
        return -1

    def fault(self, step: int) -> str | None:
        """Return what is wrong with the checkpoint after a step; None: every file is what was written."""
        return _fault(self.path(step))

    def to_continue_from(self) -> int:
        """Return the step of the newest valid checkpoint; -1 where none has ever been written.

        Raises:
            UserError: there are some, and none is valid: a run that began anew would write over them.
        """
        found = self.newest_valid()
        if found >= 0 or not (self.steps() or (self.folder / _LATEST).exists()):
            return found
        faults = [f"{self.path(step)}: {_fault(self.path(step)) or 'can be read now'}" for step in self.steps()]
        raise UserError(
            "\n".join([f"{self.folder}: no checkpoint of this run is whole, and nothing was changed", *faults])
            + "\nput back a copy of a checkpoint if there is one, or give this run another --name to begin anew"
        )

    def _miss_latest(self, steps: list[int]) -> None:
        """Warn if the newest checkpoint is gone altogether."""
        try:
            named = (self.folder / _LATEST).read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return
        if named not in {self.path(step).name for step in steps}:
            self.warn(f"{self.folder / _LATEST} names {named[:40]!r}, which is not there; passed over")

    def average(self, step: int) -> dict[str, Tensor]:
        """Return the moving average of the weights after a step; empty where the run had none."""
        file = self.path(step) / "ema.safetensors"
        tensors: dict[str, Tensor] = load_file(file) if file.is_file() else {}
        return tensors

    def peer(self, step: int) -> dict[str, Tensor]:
        """Return the second model's tensors after a step."""
        tensors: dict[str, Tensor] = load_file(self.path(step) / "peer.safetensors")
        return tensors

    def restore(
        self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, groups: Groups | None = None
    ) -> State:
        """Load the state after a step into model and optimizer.

        Args:
            step: of the checkpoint.
            model, optimizer: of the run.
            groups: the optimizer's, as they were built, whose options it keeps; None: it gets the checkpoint's.

        Raises:
            RuntimeError: it is of another model.
        """
        folder = self.path(step)
        model.load_state_dict(all_divided(load_file(folder / "model.safetensors"), model.state_dict()))
        saved = read_json(folder / "state.json")
        tensors = load_file(folder / "optimizer.safetensors")
        found = join_state(tensors, saved["optimizer"])
        if groups is not None:
            found = groups.adopt(found, saved.get("groups"))
        optimizer.load_state_dict(divide_state(found, optimizer))
        return State(**saved["run"])


def write_folder(folder: Path, snapshot: Snapshot) -> None:
    """Write a snapshot's files with their checksums as a folder, whole or not at all; an older one is replaced.

    Raises:
        OSError: it cannot be written.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        temporary.mkdir()
        _fill(temporary, snapshot)
        _replace_folder(temporary, folder)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)  # or a full disk stays full
        raise


def _fill(folder: Path, snapshot: Snapshot) -> None:
    """Write a snapshot's files and their SHA-256 into an empty folder."""
    for file, tensors in snapshot.tensors.items():
        _save(tensors, folder / file)
    for file, text in snapshot.texts.items():
        write_whole(folder / file, text)
    sums = {file: _sha256(folder / file) for file in [*snapshot.tensors, *snapshot.texts]}
    write_whole(folder / _MANIFEST, json.dumps({"sha256": sums}, indent=1))
    _sync(folder)


def _save(tensors: dict[str, Tensor], file: Path) -> None:
    try:
        save_file(tensors, file)
    except SafetensorError as error:
        raise as_os_error(error) or error from None
    _sync(file)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fault(folder: Path) -> str | None:
    try:
        sums = read_json(folder / _MANIFEST)["sha256"]
        if not sums.keys() >= _NEEDED:
            return f"{_MANIFEST} does not list what a checkpoint has"
        for name, expected in sums.items():
            if _sha256(folder / name) != expected:
                return f"{name} is not what was written"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
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
