"""What travels with a job: the recipe in one file, what begins it, wheels, and what was asked for by name."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgcls.errors import UserError
from imgcls_cluster.jobs import on_head
from imgcls_cluster.jobs.confidential import holds_token, is_secret
from imgcls_cluster.jobs.wheels import Packages

_LIMIT = 100 << 20  # bytes: more in one package is refused by Ray, after it has been zipped and sent
_SHOWN = 5
_BEGIN = "begin_imgcls_job.py"
_JOB = "job.json"
_LEFT_OUT = "__pycache__"


@dataclass(frozen=True)
class Included:
    """A file that was asked for.

    Attributes:
        path: here.
        name: in the job's working directory.
        size: in bytes.
    """

    path: Path
    name: str
    size: int


def included(paths: Iterable[str], folder: Path) -> tuple[list[Included], list[str]]:
    """Return the files that ``--include`` names, and those in its folders that are left out as secrets.

    Args:
        paths: as given; folders are walked.
        folder: that relative paths begin in; what lies below it keeps its place in the job's working directory.

    Raises:
        UserError: a path is not there, is a secret, or a link; all together are too large.
    """
    found: list[Included] = []
    left_out: list[str] = []
    for text in paths:
        path = folder / text
        if not path.exists():
            raise UserError(f"--include {text}: there is no such file or folder")
        if any(is_secret(Path(part)) for part in (*Path(text).parts, path.name)):
            raise UserError(f"--include {text}: looks like a secret, which must not travel; put it there by hand")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_symlink():
                raise UserError(f"--include {text}: {file} is a link; include what it leads to")
            if file.is_dir() or _LEFT_OUT in file.parts:
                continue
            if any(is_secret(part) for part in (file, *_between(file, path))):
                left_out.append(str(file))
            else:
                found.append(Included(file, _place(file, path, folder), file.stat().st_size))
    _refuse_many(found)
    return found, left_out


def _between(file: Path, top: Path) -> list[Path]:
    return [parent for parent in file.parents if top in parent.parents]


def _place(file: Path, given: Path, folder: Path) -> str:
    """Return where a file lies in the job's working directory: as here, or by its own name from elsewhere."""
    here, given = folder.resolve(), given.resolve()
    base = here if given.is_relative_to(here) else given.parent
    return file.resolve().relative_to(base).as_posix()


@dataclass(frozen=True)
class Shipment:
    """What is sent.

    Attributes:
        folder: the job's working directory.
        wheels: that are installed on each node.
        entrypoint: what the job runs.
    """

    folder: Path
    wheels: tuple[Path, ...]
    entrypoint: str

    @property
    def runtime_env(self) -> dict[str, object]:
        """Ray's runtime environment of the job."""
        wheels = [str(wheel) for wheel in self.wheels]
        modules: dict[str, object] = {"py_modules": wheels} if wheels else {}
        return {"working_dir": str(self.folder), **modules, "env_vars": dict(_SETTINGS)}


# read by what sends the launch SIGTERM when the job is stopped: so long it may write its checkpoint
_SETTINGS: Mapping[str, str] = {"RAY_JOB_STOP_WAIT_TIME_S": "900"}


def stage(
    into: Path, text: str, recipe: str, files: Sequence[Included], packages: Packages, job: Mapping[str, object]
) -> Shipment:
    """Write what is sent into an empty folder.

    Args:
        into: the folder.
        text: of the recipe, resolved.
        recipe: name of its file.
        files: that were asked for.
        packages: plugins.
        job: what ``on_head`` reads.

    Raises:
        UserError: a wheel is too large, two files have one name, or a token is in it.
    """
    _refuse_large(packages.wheels)
    own = {
        recipe: text,
        _JOB: json.dumps(job, indent=1),
        _BEGIN: Path(on_head.__file__).read_text(encoding="utf-8"),
    }
    for name, content in own.items():
        (into / name).write_text(content, encoding="utf-8")
    for file in files:
        place = into / file.name
        if place.exists():
            raise UserError(f"--include {file.path}: another file of the job has the name {file.name}")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.path, place)
    for path in (*into.rglob("*"), *packages.wheels):
        if path.is_file() and holds_token(path):
            raise UserError(f"{path.name}: holds the cluster's token, which must not travel; take it out")
    return Shipment(into, packages.wheels, f"exec python {_BEGIN}")


def _refuse_many(files: Sequence[Included]) -> None:
    total = sum(file.size for file in files)
    large = sorted(files, key=lambda file: file.size, reverse=True)[:_SHOWN]
    if total > _LIMIT:
        listed = "".join(f"\n    {mib(file.size)}  {file.name}" for file in large)
        raise UserError(
            f"--include: {mib(total)} in {len(files)} files, and Ray takes {mib(_LIMIT)} at most; put data where "
            f"all nodes see it. The largest:{listed}\nnothing was sent"
        )


def _refuse_large(wheels: Sequence[Path]) -> None:
    for wheel in wheels:
        size = wheel.stat().st_size
        if size > _LIMIT:
            raise UserError(
                f"{wheel.name}: {mib(size)}, and Ray takes {mib(_LIMIT)} at most; install this plugin on every "
                "node from an index, and here too\nnothing was sent"
            )


def mib(size: int) -> str:
    """Return a size in words."""
    return f"{size / (1 << 20):,.1f} MiB"


def digest(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def without_ignoring() -> None:
    """Have Ray pack all of the staged folder: what was asked for may be in somebody's ``.gitignore``."""
    os.environ["RAY_RUNTIME_ENV_IGNORE_GITIGNORE"] = "1"
    os.environ["RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES"] = ""
