"""A run in a store and this host's copy of it: brought down before it begins, taken up as it changes."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from imgcls.run_folder import RunFolder, read_json
from imgcls.storage.files import alone, bytes_of, fetch, size_of, write_bytes
from imgcls.storage.store import Store

CHECKPOINTS = "step-[0-9]*[0-9]"  # and nothing that somebody put aside, such as "step-00000100 (copy)"
_CHECKPOINTS = "checkpoints"
_MANIFEST = "manifest.json"
_LATEST = "latest"
_GROWING = ("metrics.jsonl", "workers.jsonl", "left_out.jsonl", "not_finite.jsonl")
_LARGE = ".safetensors"
_TRIES = 3  # where the run changes while it is fetched
ORIGIN = ".origin"  # tells a run from another one that had its name before
RESULT = "result.json"
# what a launch writes
PLANNED = ("plan.json", "recipe.toml", "run.lock.json")
_OF_LAUNCH = frozenset({"logs", "errors", "events.jsonl", "stop", "save"})  # begun anew by each
_APART = _OF_LAUNCH | {_CHECKPOINTS, RESULT, *PLANNED}


class Mirror:
    """A run's folder here, and the run in a store.

    Args:
        folder: this host's copy.
        store: at the run's address.
    """

    def __init__(self, folder: RunFolder, store: Store) -> None:
        self.folder = folder
        self.store = store

    def bring_down(self, whole: bool = True) -> None:
        """Make this host's copy what is in the store; what is there already is not fetched again.

        Args:
            whole: with the tensors of checkpoints; without them a copy is good for looking, not for training.

        Raises:
            OSError: the store fails, or this disk.
        """
        self.folder.checkpoints.mkdir(parents=True, exist_ok=True)
        with alone(self.folder.path / ".mirror.lock"):
            for number in range(_TRIES):
                try:
                    self._bring(self.store.sizes(), whole)
                    return
                except FileNotFoundError:  # it was tidied away meanwhile
                    if number == _TRIES - 1:
                        raise

    def _bring(self, there: dict[str, int], whole: bool) -> None:
        self._leave_another(self.store.read(ORIGIN) if ORIGIN in there else None)
        for name in (*PLANNED, *_GROWING, RESULT, f"{_CHECKPOINTS}/{_LATEST}"):
            if name not in there:
                (self.folder.path / name).unlink(missing_ok=True)
        for name in there:
            if name in (ORIGIN, *PLANNED, RESULT, f"{_CHECKPOINTS}/{_LATEST}") or is_growing(name):
                write_bytes(self.folder.path / name, self.store.read(name))
        complete = _complete(there)
        for step in self.folder.checkpoints.glob(CHECKPOINTS):
            if step.name not in complete:
                shutil.rmtree(step, ignore_errors=True)
        for step_name in complete:
            prefix = f"{_CHECKPOINTS}/{step_name}/"
            files = {name.removeprefix(prefix): size for name, size in there.items() if name.startswith(prefix)}
            files = {name: size for name, size in files.items() if "/" not in name}
            if not whole:
                files = {name: size for name, size in files.items() if not name.endswith(_LARGE)}
            self._bring_step(self.folder.checkpoints / step_name, prefix, files)

    def _leave_another(self, origin: bytes | None) -> None:
        """Remove a copy of another run, which had the name before."""
        mine = bytes_of(self.folder.path / ORIGIN)
        if mine is None or mine == origin:
            return
        for path in self.folder.path.iterdir():
            if path.name in _OF_LAUNCH or (path.name.startswith(".") and path.name != ORIGIN):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        self.folder.checkpoints.mkdir()

    def _bring_step(self, step: Path, prefix: str, files: dict[str, int]) -> None:
        manifest = self.store.read(prefix + _MANIFEST)
        if bytes_of(step / _MANIFEST) != manifest:
            shutil.rmtree(step, ignore_errors=True)
        step.mkdir(exist_ok=True)
        for name, size in files.items():
            if name != _MANIFEST and size_of(step / name) != size:
                fetch(self.store, prefix + name, step / name)
        write_bytes(step / _MANIFEST, manifest)

    def is_ahead(self) -> bool:
        """Whether this host's copy is of the same run and has a whole checkpoint that is newer than the store's.

        Raises:
            OSError: the store fails.
        """
        mine = bytes_of(self.folder.path / ORIGIN)
        steps = list(self.folder.checkpoints.glob(CHECKPOINTS))
        if mine is None or not steps:
            return False
        there = self.store.sizes()
        if RESULT in there or ORIGIN not in there or self.store.read(ORIGIN) != mine:
            return False
        newest = max(_complete(there), default="")
        return any(step.name > newest and is_whole(step) for step in steps)

    def name_origin(self) -> None:
        """Give a run that begins what tells it from others of its name.

        Raises:
            OSError: the store fails, or this disk.
        """
        if not (self.folder.path / ORIGIN).exists():
            origin = secrets.token_hex(16).encode()
            self.store.write(ORIGIN, origin)
            write_bytes(self.folder.path / ORIGIN, origin)

    def take_up(self, names: Sequence[str]) -> None:
        """Send files of the run that are here.

        Raises:
            OSError: the store fails.
        """
        for name in names:
            if (self.folder.path / name).is_file():
                self.store.send(self.folder.path / name, name)

    def take_up_logs(self) -> None:
        """Send what tells how this launch went: events, errors, and what the workers printed.

        Raises:
            OSError: the store fails.
        """
        folder = self.folder
        files = [
            folder.events,
            *folder.errors.glob("*.json"),
            *folder.logs.glob("*.log"),
            *folder.stacks.glob("*"),
        ]
        self.take_up([str(file.relative_to(folder.path)) for file in files])


def is_growing(name: str) -> bool:
    """Whether a file of a run is one that rank 0 writes while it trains: figures, and what trackers write."""
    parts = name.split("/")
    # in a store a name may have anything, such as two slashes or dots that lead out of the folder
    return parts[0] not in _APART and not any(part == "" or part.startswith(".") for part in parts)


def growing(folder: RunFolder) -> Iterator[str]:
    """Yield the names of the files that rank 0 writes while it trains."""
    for path, folders, files in os.walk(folder.path):
        below = Path(path).relative_to(folder.path)
        folders[:] = sorted(name for name in folders if is_growing(str(below / name)))
        yield from (str(below / name) for name in sorted(files) if is_growing(str(below / name)))


def is_whole(step: Path) -> bool:
    """Whether every file of a checkpoint's folder is what its manifest says."""
    try:
        sums = read_json(step / _MANIFEST)["sha256"]
        return bool(sums) and all(_sha256(step / name) == expected for name, expected in sums.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _complete(there: dict[str, int]) -> list[str]:
    """Return the checkpoints in a store that are whole, oldest first: their manifests come last."""
    parts = (name.split("/") for name in there)
    found = (p[1] for p in parts if p[0] == _CHECKPOINTS and p[2:] == [_MANIFEST])
    return sorted(name for name in found if fnmatchcase(name, CHECKPOINTS))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
