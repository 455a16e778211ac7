"""The folder of a run: what lies where, and who may write to it."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgcls.errors import UserError

_PROBE = 1 << 16  # bytes: what plan, recipe and lock take


@dataclass(frozen=True)
class RunFolder:
    """Names of the files in a run's folder. It must be on storage that every worker sees.

    Attributes:
        path: of the folder.
        address: of the run where storage is an address, such as ``s3://bucket/runs/digits``; the folder is then
            this host's copy of it, see :mod:`imgcls.storage`.
    """

    path: Path
    address: str | None = None

    @property
    def shown(self) -> str:
        """Where the run is, for a message."""
        return self.address or str(self.path)

    @property
    def plan(self) -> Path:
        """What the workers obey, as JSON."""
        return self.path / "plan.json"

    @property
    def recipe(self) -> Path:
        """The resolved recipe, every value written out."""
        return self.path / "recipe.toml"

    @property
    def provenance(self) -> Path:
        """What the run was made of: versions, hashes of code and data; see ``imgcls.lock``."""
        return self.path / "run.lock.json"

    @property
    def worker_counts(self) -> Path:
        """One JSON object a line: from which step on how many processes trained; see ``imgcls.worker_counts``."""
        return self.path / "workers.jsonl"

    @property
    def metrics(self) -> Path:
        """One JSON object a line: training losses, evaluations."""
        return self.path / "metrics.jsonl"

    @property
    def events(self) -> Path:
        """What rank 0 tells the live view; begun anew at each launch."""
        return self.path / "events.jsonl"

    @property
    def left_out(self) -> Path:
        """One JSON object a line: images that cannot be decoded and were left out, and why."""
        return self.path / "left_out.jsonl"

    @property
    def not_finite(self) -> Path:
        """One JSON object a line: steps whose loss was no number, with their samples."""
        return self.path / "not_finite.jsonl"

    @property
    def result(self) -> Path:
        """What a finished run reached, as JSON."""
        return self.path / "result.json"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def logs(self) -> Path:
        """Folder of what Ray and the workers print."""
        return self.path / "logs"

    @property
    def stacks(self) -> Path:
        """Folder of what the workers were doing when one of them hung: a text file a rank."""
        return self.logs / "stacks"

    @property
    def places(self) -> Path:
        """Folder of what each rank notes of where it is, while it runs; see ``imgcls.hang``."""
        return self.logs / "places"

    @property
    def errors(self) -> Path:
        """Folder of what went wrong in the workers of this launch."""
        return self.path / "errors"

    @property
    def stop(self) -> Path:
        """Its presence asks the workers to write a checkpoint and end."""
        return self.path / "stop"

    @property
    def save(self) -> Path:
        """Its presence asks the workers to write a checkpoint and go on; it holds what the user is told of it."""
        return self.path / "save"

    def ask_to_stop(self) -> None:
        """Ask the workers to end; to be asked again, for the storage may not take it now."""
        with suppress(OSError):
            self.stop.touch()

    def is_stop_asked(self) -> bool:
        """Whether the workers are asked to end; False where the storage cannot say."""
        try:
            return self.stop.exists()
        except OSError:
            return False

    @property
    def index_cache(self) -> Path:
        """Folder of data indexes, shared by the runs of one storage."""
        return self.path.parent / ".index"

    @property
    def has_work(self) -> bool:
        """Whether a launch has come as far as a line of metrics, a checkpoint or a result."""
        written = self.metrics.is_file() and self.metrics.stat().st_size > 0
        return written or self.result.exists() or any(self.checkpoints.glob("step-*"))

    def create(self) -> None:
        """Make the folder.

        Raises:
            UserError: it cannot be written.
        """
        advice = None if self.address is None else "free space or set IMGCLS_CACHE: this host's copy is kept there"
        with explained(self.path, advice):
            for folder in (self.path, self.checkpoints, self.logs, self.errors):
                folder.mkdir(parents=True, exist_ok=True)
            probe(self.path, advice)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process alone; the kernel lets go when the process ends, however it ends.

        Raises:
            UserError: another process has it.
        """
        with (self.path / ".lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise UserError(
                    f"{self.shown} is in use by {holder}; wait for it, or give this run another --name"
                ) from None
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            yield

    def begin(self) -> None:
        """Forget what the last launch left for its own live view."""
        for request in (self.stop, self.save):
            request.unlink(missing_ok=True)
        self.events.write_text("")
        for left in (*self.errors.glob("*.json"), *self.places.glob("*.json"), *self.stacks.glob("*.txt")):
            left.unlink()


def probe(folder: Path, advice: str | None = None) -> None:
    """See that a folder takes what a run writes first.

    Args:
        folder: to be looked at.
        advice: what to do otherwise; None: set another storage.

    Raises:
        UserError: it cannot be written.
    """
    with explained(folder, advice):
        file = folder / f".writable-{os.getpid()}"
        try:
            file.write_bytes(bytes(_PROBE))
        finally:
            file.unlink(missing_ok=True)


@contextmanager
def explained(folder: Path, advice: str | None = None) -> Iterator[None]:
    """Raise a UserError that names the storage in the place of an error of the system's."""
    try:
        yield
    except OSError as error:
        advice = advice or "free space or set --storage"
        raise UserError(f"the storage {folder} cannot be written: {error.strerror}; {advice}") from None


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that readers and a crash find the old one or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def read_json(path: Path) -> Any:
    """Return what a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))
