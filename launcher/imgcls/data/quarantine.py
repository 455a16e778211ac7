"""The list of images that `imgcls data check` found to be no good, beside the index of their split."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from imgcls.data.index import Index


@dataclass(frozen=True)
class Quarantined:
    """A sample that runs leave out."""

    sample: int
    path: str
    reason: str


def file_of(cache: Path, index: Index) -> Path:
    """Return where the list of an index is kept: named by its digest, so that other data has another list."""
    return cache / f"{index.digest[:32]}.quarantine.jsonl"


def read(cache: Path, index: Index) -> list[Quarantined]:
    """Return what is in quarantine, nothing where there is no list."""
    try:
        text = file_of(cache, index).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [Quarantined(**json.loads(line)) for line in text.splitlines()]


def write(cache: Path, index: Index, listed: Sequence[Quarantined]) -> Path:
    """Write the list whole or not at all; an empty one removes the file. Return its path."""
    path = file_of(cache, index)
    if not listed:
        path.unlink(missing_ok=True)
        return path
    cache.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text("".join(json.dumps(asdict(entry)) + "\n" for entry in listed), encoding="utf-8")
    temporary.replace(path)
    return path
