"""What a command runs in: versions of packages, hashes of their code, the machine. Imports none of them."""

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# what an installer writes and what Python makes of it: other on each machine, and no code
_NO_CODE = (".dist-info", ".egg-info", "__pycache__", ".pth", ".pyc")


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of those packages that are installed, by name."""
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = platform.python_version() if name == "python" else version(name)
        except PackageNotFoundError:
            continue
    return found


def code(modules: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the SHA-256 of the code of those packages that are installed.

    Args:
        modules: package -> top-level modules, whose Python files count where the package lists no code: an
            editable install lists none.
    """
    found = {}
    for name, tops in modules.items():
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        files = {} if _is_editable(package) else _listed(package)
        found[name] = _digest(files or _python_files(tops))
    return found


def python_code(modules: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the SHA-256 of the Python files of each package, the same for an editable install and a wheel's.

    Args:
        modules: package -> top-level modules.
    """
    return {name: _digest(_python_files(tops)) for name, tops in modules.items()}


def _is_editable(package: Distribution) -> bool:
    try:
        return bool(json.loads(package.read_text("direct_url.json") or "{}")["dir_info"]["editable"])
    except (ValueError, KeyError, TypeError):
        return False


def _listed(package: Distribution) -> dict[str, Path]:
    """Return the files that an installer listed, but those that are other in each environment."""
    listed = [file for file in package.files or () if file.parts[0] != ".."]
    kept = [file for file in listed if not any(part.endswith(_NO_CODE) for part in file.parts)]
    return {file.as_posix(): Path(str(file.locate())) for file in kept}


def _python_files(tops: Iterable[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for top in tops:
        spec = find_spec(top)  # of a top-level module: nothing is imported
        if spec is None:
            continue
        if spec.submodule_search_locations is None:
            found[f"{top}.py"] = Path(str(spec.origin))
        for place in spec.submodule_search_locations or ():
            files = Path(place).rglob("*.py")
            found |= {f"{top}/{file.relative_to(place).as_posix()}": file for file in files}
    return found


def _digest(files: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        try:
            data = path.read_bytes()
        except OSError as error:  # listed, and gone
            data = str(error.strerror).encode()
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest() if files else "no files found"


def this_platform() -> dict[str, Any]:
    """Return what this machine is."""
    return {
        "machine": platform.machine(),
        "cpu": _first(Path("/proc/cpuinfo"), "model name") or platform.processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "gpus": sorted(_first(file, "Model") for file in Path("/proc/driver/nvidia/gpus").glob("*/information")),
        "driver": _first(Path("/proc/driver/nvidia/version"), "NVRM version"),
        "cuda": next(iter(_cuda()), ""),
        "byteorder": sys.byteorder,
    }


def _first(path: Path, key: str) -> str:
    """Return the value of the first line ``key: value`` of a file; empty if there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    rows = (line.partition(":") for line in lines)
    return next((" ".join(value.split()) for name, _, value in rows if name.strip() == key), "")


def _cuda() -> Iterator[str]:
    """Yield the versions of CUDA's runtime that Python packages have brought."""
    for name in ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu13", "nvidia-cuda-runtime-cu12"):
        try:
            yield version(name)
        except PackageNotFoundError:
            continue
