"""The SHA-256 of what a checkpoint holds, by group, from the files' bytes alone."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgcls.run_folder import RunFolder, read_json

# file's stem -> what the group is called
_NAMES = {"ema": "EMA"}
# of a run's state, what is a group of its own, or a time that no two runs share
_SCALER, _SCHEDULE, _STEP, _TIMES = "scaler", "schedule", "step", ("seconds",)
# sums over workers are added in an order that time decides: that is 1e-16, and metrics.jsonl rounds as well
_DIGITS = 6


@dataclass(frozen=True)
class Group:
    """A part of a run's state.

    Attributes:
        parts: name -> SHA-256 in hexadecimal: of a tensor's type, shape and bytes, or of a value.
        shown: the value itself, where it is short; else empty.
    """

    parts: Mapping[str, str]
    shown: str = ""

    @property
    def sha256(self) -> str:
        """Of all parts together."""
        return _sha256(json.dumps(sorted(self.parts.items())).encode())

    def unlike(self, other: "Group") -> list[str]:
        """Return the names of the parts that are others, or that only one of the two has."""
        names = sorted(self.parts.keys() | other.parts.keys())
        return [name for name in names if self.parts.get(name) != other.parts.get(name)]


def last_checkpoint(folder: RunFolder) -> Path | None:
    """Return the last checkpoint of a finished run; None: it is not finished, or that is gone."""
    try:
        path = folder.path / str(read_json(folder.result)["checkpoint"])
    except (OSError, ValueError, KeyError):
        return None
    return path if (path / "model.safetensors").is_file() else None


def fingerprint(checkpoint: Path) -> dict[str, Group]:
    """Return the groups of a checkpoint: each file of tensors, scaler, schedule, metrics, step.

    Raises:
        OSError: it cannot be read.
        ValueError: a file is not what it should be.
    """
    groups = {}
    for path in sorted(checkpoint.glob("*.safetensors"), key=lambda path: (path.stem != "model", path.stem)):
        groups[_NAMES.get(path.stem, path.stem)] = Group(tensors(path))
    saved = read_json(checkpoint / "state.json")
    run: dict[str, Any] = dict(saved["run"])
    if "optimizer" in groups:
        parts = {**groups["optimizer"].parts, **_values({"settings": saved["optimizer"]})}
        groups["optimizer"] = Group(parts)
    scaler, schedule, step = run.pop(_SCALER, {}), run.pop(_SCHEDULE, {}), run.pop(_STEP)
    groups["scaler"] = _of(scaler)
    groups["schedule"] = _of(schedule)
    groups["metrics"] = Group(_values({k: _rounded(v) for k, v in run.items() if k not in _TIMES}))
    groups["step"] = Group(_values({"step": step}), str(step))
    return groups


def _of(values: Mapping[str, Any]) -> Group:
    return Group(_values(values), "" if values else "has no state")


def journal(path: Path) -> Group:
    """Return a run's metrics.jsonl as a group, a part for each line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return Group({f"line {number}": _sha256(line.encode()) for number, line in enumerate(lines, 1)})


def tensors(path: Path) -> dict[str, str]:
    """Return the SHA-256 of each tensor of a file of safetensors, over its type, shape and bytes.

    Read by hand: the library gives numpy arrays, and numpy has no bfloat16.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file.
    """
    found = {}
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header.pop("__metadata__", None)
        for name, about in header.items():
            first, end = about["data_offsets"]
            file.seek(8 + size + first)
            data = file.read(end - first)
            if len(data) != end - first:
                raise ValueError(f"{path}: is cut off in the tensor {name}")
            found[name] = _sha256(f"{about['dtype']} {about['shape']} ".encode() + data)
    return found


def _values(tree: Mapping[str, Any]) -> dict[str, str]:
    return {name: _sha256(json.dumps(value, sort_keys=True).encode()) for name, value in tree.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return value


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
