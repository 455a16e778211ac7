"""Which files of a run are its results; and, as a program on the cluster's head, what is in them.

As a program it travels as a file, and prints JSON lines: so it imports the standard library alone, and nothing of
imgcls.
"""

import hashlib
import json
import os
import sys
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

_CHECKPOINTS = "checkpoints"
_LATEST = f"{_CHECKPOINTS}/latest"
_RESULT = "result.json"
_LOGS = ("logs/ray-train/", "logs/places/")  # Ray's own, and where each rank was a moment ago
_REQUESTS = ("stop", "save", "events.jsonl")  # of a launch, for its own time
_PIECE = 48 << 10  # bytes of a line


def wanted(names: Iterable[str], read: Callable[[str], bytes]) -> list[str]:
    """Return those of a run's files that are its results: records, logs, and the best and the last checkpoint.

    Args:
        names: of its files, below its folder.
        read: returns what is in one.
    """
    known = sorted(names)
    steps = tuple(f"{_CHECKPOINTS}/{name}/" for name in _steps(set(known), read))
    return [name for name in known if name == _LATEST or (steps and name.startswith(steps)) or _is_record(name)]


def _is_record(name: str) -> bool:
    if name.startswith("logs/"):
        return not name.startswith(_LOGS)
    return "/" not in name and not name.startswith(".") and name not in _REQUESTS


def _steps(names: set[str], read: Callable[[str], bytes]) -> set[str]:
    """Return the names of the best and the last checkpoint."""
    found = set()
    if _RESULT in names:
        result = json.loads(read(_RESULT))
        found |= {str(result.get(key)).rpartition("/")[2] for key in ("checkpoint", "best_checkpoint")}
    if _LATEST in names:
        latest = read(_LATEST).decode().strip()
        found.add(latest)
        state = f"{_CHECKPOINTS}/{latest}/state.json"
        if state in names:
            found.add(f"step-{json.loads(read(state))['run']['best_step']:08d}")
    return found


def below(folder: Path) -> list[str]:
    """Return the names of the files below a folder; links are left out."""
    found = []
    for place, _, files in os.walk(folder):
        paths = (Path(place) / file for file in files)
        found += [path.relative_to(folder).as_posix() for path in paths if not path.is_symlink()]
    return found


def told(folder: Path, token: str, limit: int) -> Iterator[dict[str, Any]]:
    """Yield what is told of a run's files.

    Args:
        folder: of the run.
        token: name of a file that whoever asks has made in the folder if he sees it: then he reads it himself.
        limit: most bytes that are handed over.
    """
    if not folder.is_dir():
        yield {"kind": "missing"}
        return
    if token and (folder / token).exists():
        yield {"kind": "seen"}
        return
    names = wanted(below(folder), lambda name: (folder / name).read_bytes())
    total = sum((folder / name).stat().st_size for name in names)
    if total > limit:
        yield {"kind": "large", "total": total}
        return
    for name in names:
        data = (folder / name).read_bytes()
        for start in range(0, len(data), _PIECE):
            yield {"kind": "data", "name": name, "data": b64encode(data[start : start + _PIECE]).decode()}
        yield {"kind": "file", "name": name, "sha256": hashlib.sha256(data).hexdigest()}
    yield {"kind": "end"}


def main() -> None:
    """Print what is asked for by the file beside this program."""
    asked = json.loads(Path(__file__).with_name("asked.json").read_text(encoding="utf-8"))
    for record in told(Path(asked["folder"]), asked["token"], asked["limit"]):
        sys.stdout.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
