"""``imgcls fetch``: a run's results into a folder here, whole, and never over anything else."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from imgcls.errors import UserError
from imgcls.run_folder import read_json, write_whole
from imgcls.storage.files import write_bytes
from imgcls_cluster.jobs.job import Job
from imgcls_cluster.jobs.sources import Source

_RECORD = ".fetched.json"
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Fetched:
    """What was brought.

    Attributes:
        folder: where it lies.
        files: how many.
        size: bytes of them.
        checkpoints: names of those whose files all have the checksums that were written with them.
    """

    folder: Path
    files: int
    size: int
    checkpoints: list[str]


def fetch(job: Job, source: Source, out: Path, known: dict[str, str]) -> Fetched:
    """Write a run's results into a folder.

    Args:
        job: of the run.
        source: of its files.
        out: the folder.
        known: from :func:`fetched_before`.

    Raises:
        UserError: a file was changed here; a checkpoint is damaged.
    """
    files = {name: _read(job, source, name) for name in source.names}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    _refuse_changed(out, sums, known)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            write_bytes(out / name, data)
        record = {"job": job.name, "folder": job.about.folder, "files": {**known, **sums}}
        write_whole(out / _RECORD, json.dumps(record, indent=1))
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}; free space, or give --out") from None
    return Fetched(out, len(files), sum(map(len, files.values())), _verified(out, list(files)))


def fetched_before(job: Job, out: Path) -> dict[str, str]:
    """Return what an earlier fetch of this run wrote into a folder: name -> SHA-256.

    Raises:
        UserError: the folder holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return {}
    try:
        record = read_json(out / _RECORD)
        folder, files = record["folder"], dict(record["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{out} holds something that was not fetched; nothing was written; give another folder: --out"
        ) from None
    if folder != job.about.folder:
        raise UserError(
            f"{out} holds what was fetched of {folder}; nothing was written; give another folder: --out"
        )
    return files


def _read(job: Job, source: Source, name: str) -> bytes:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{job.name}: the cluster names a file {name!r}, which is no name of a run's file")
    try:
        return source.read(name)
    except OSError as error:
        text = error.strerror or str(error)
        raise UserError(f"{source.where}: {name}: {text}; it changes while the run goes on: try again") from None


def _refuse_changed(out: Path, sums: dict[str, str], known: dict[str, str]) -> None:
    """See that what would be replaced is as it was fetched."""
    for name, digest in sums.items():
        if (out / name).exists():
            here = hashlib.sha256((out / name).read_bytes()).hexdigest()
            if here not in (digest, known.get(name)):
                raise UserError(
                    f"{out / name} was changed after it was fetched; nothing was written; give another --out"
                )


def _verified(out: Path, names: list[str]) -> list[str]:
    """Return the checkpoints that are whole.

    Raises:
        UserError: one is not.
    """
    found = []
    for name in names:
        if not name.endswith(f"/{_MANIFEST}"):
            continue
        folder = (out / name).parent
        for file, expected in read_json(out / name)["sha256"].items():
            path = folder / file
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
                raise UserError(
                    f"{path}: is not what the run wrote; the checkpoint is damaged where the run is, too"
                )
        found.append(folder.name)
    return found


def is_the_same(out: Path, folder: str) -> bool:
    """Return whether a folder is the one of that path here."""
    try:
        return out.samefile(folder)
    except OSError:
        return False
