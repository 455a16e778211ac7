"""The list of images that `imgcls data check` found to be no good, beside the index of their split."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgcls.data.index import Index
from imgcls.errors import UserError
from imgcls.plan import absolute


@dataclass(frozen=True)
class Quarantined:
    """A sample that runs leave out: its number in the index, where it is, and what is wrong with it."""

    sample: int
    path: str
    reason: str


def file_of(cache: Path, index: Index) -> Path:
    """Return where the list of an index is kept: named by its digest, so that other data has another list."""
    return cache / f"{index.digest[:32]}.quarantine.jsonl"


def read(cache: Path, index: Index) -> list[Quarantined]:
    """Return what is in quarantine, nothing where there is no list.

    An image that was mended or replaced since is not in quarantine any more: its file has another size or time of
    change than was written down.

    Raises:
        UserError: the list is damaged.
    """
    path = file_of(cache, index)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            stamp = entry.pop("file")
            listed = Quarantined(**entry)
            same = _stamp(index, listed.sample) == stamp
        except (ValueError, TypeError, KeyError, AttributeError, IndexError):
            text = "is no line of a quarantine list; run `imgcls data check` again, or remove the file"
            raise UserError(f"{path}:{number}: {text}") from None
        if same:
            found.append(listed)
    return found


def without_listed(cache: Path, index: Index) -> tuple[Index, NDArray[np.int64]]:
    """Return the index without what is in quarantine, and the rising positions of what is left: int64 (n,).

    Raises:
        UserError: nothing is left, or the list is damaged.
    """
    listed, every = read(cache, index), np.arange(len(index), dtype=np.int64)
    if not listed:
        return index, every
    good = np.setdiff1d(every, [entry.sample for entry in listed])
    if not len(good):
        raise UserError(f"{index.root}: every image is in quarantine; see `imgcls data check`")
    left_out = tuple((absolute(entry.path), f"in quarantine: {entry.reason}") for entry in listed)
    return replace(index.part(good), left_out=(*index.left_out, *left_out)), good


def write(cache: Path, index: Index, listed: Sequence[Quarantined]) -> Path:
    """Write the list whole or not at all; an empty one removes the file. Return its path."""
    path = file_of(cache, index)
    if not listed:
        path.unlink(missing_ok=True)
        return path
    lines = [json.dumps({**asdict(entry), "file": _stamp(index, entry.sample)}) for entry in listed]
    cache.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text("\n".join([*lines, ""]), encoding="utf-8")
    temporary.replace(path)
    return path


def _stamp(index: Index, sample: int) -> list[int] | None:
    """Return size and time of change of the file that a sample is in; None where there is none."""
    if index.paths is None:
        return None
    number = sample if index.ranges is None else int(index.ranges[sample, 0])
    try:
        status = os.stat(os.path.join(os.fsencode(index.root), index.paths[number]))  # noqa: PTH116, PTH118 (bytes)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
