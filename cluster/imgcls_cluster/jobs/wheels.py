"""The wheels of plugins that a recipe uses and no index has: they travel with the job.

Ray installs them on each node by ``pip install --target``, which would fetch all that they require, torch and a
stranger's ``imgcls`` too. So they travel without their requirements, which the job looks for before it trains. And
Ray knows a wheel by its file's name alone: so the name has a digest of what is in it.
"""

import hashlib
import json
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from imgcls.errors import UserError
from imgcls.plugins import OWN_DISTRIBUTION

if TYPE_CHECKING:
    from imgcls.recipe import Named, Recipe

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files give the same wheel
# what an installer leaves in a package's metadata, and what names folders of this machine
_INSTALLERS = ("RECORD", "direct_url.json", "INSTALLER", "REQUESTED", "uv_cache.json")
_REQUIRES = "requires-dist:"
_DIGEST = 16  # hexadecimal digits

Files = dict[str, bytes]


@dataclass(frozen=True)
class Packages:
    """The plugins of a recipe.

    Attributes:
        wheels: those that travel.
        needs: requirements that the cluster must meet itself.
    """

    wheels: tuple[Path, ...]
    needs: tuple[str, ...]


def packages(recipe: "Recipe", into: Path) -> Packages:
    """Return the plugins of a recipe, with the wheels of the local ones written into a folder.

    Raises:
        UserError: a wheel cannot be built.
    """
    waiting = sorted({named.found.distribution for named in _components(recipe)} - {OWN_DISTRIBUTION})
    wheels: dict[str, Path] = {}
    needs: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if _same(name) in wheels or _same(name) in needs:
            continue
        package = distribution(name)
        if _origin(package) is None:
            needs[_same(name)] = f"{name}=={package.version}"
            continue
        files = _files(package)
        wheels[_same(name)] = _write(files, into)
        for requirement in _required(package):
            other = _local(requirement)
            if other is not None:
                waiting.append(other)
            elif _name(requirement) not in needs:
                needs[_name(requirement)] = requirement
    kept = [text for name, text in sorted(needs.items()) if name not in (*wheels, OWN_DISTRIBUTION)]
    return Packages(tuple(wheels.values()), tuple(kept))


def _components(recipe: "Recipe") -> Iterator["Named"]:
    yield from (recipe.model, recipe.data, recipe.optimizer, recipe.schedule, recipe.loss)
    yield from (*recipe.augment, *recipe.track, *recipe.callback)
    if recipe.distill_model is not None:
        yield recipe.distill_model


def _origin(package: Distribution) -> dict[str, object] | None:
    """Return where a package was installed from; None: from an index, or nobody knows."""
    text = package.read_text("direct_url.json")
    if not text or package.files is None:
        return None
    found: dict[str, object] = json.loads(text)
    return found


def _files(package: Distribution) -> Files:
    """Return what a wheel of an installed package holds, by path: as it is installed here."""
    origin = _origin(package) or {}
    about = origin.get("dir_info")
    if isinstance(about, dict) and about.get("editable"):
        return _built(package.name, Path(unquote(urlsplit(str(origin["url"])).path)))
    found = {}
    for file in package.files or ():
        # programs and the like lie outside, and .pyc are made anew
        if file.parts[0] == ".." or file.suffix == ".pyc" or file.is_absolute():
            continue
        found[file.as_posix()] = Path(str(file.locate())).read_bytes()
    return found


def _built(name: str, source: Path) -> Files:
    """Return what a wheel of a source tree holds; built with this environment's tools, else with fresh ones."""
    with TemporaryDirectory(prefix="imgcls-") as folder:
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder]
        for isolation in (["--no-build-isolation"], []):
            built = subprocess.run([*pip, *isolation, str(source)], capture_output=True, text=True, check=False)
            if built.returncode == 0:
                break
        else:
            lines = built.stderr.strip().splitlines() or ["no reason given"]
            raise UserError(
                f"{name}: its wheel cannot be built from {source}: {lines[-1]}; "
                f"see `pip wheel --no-deps {source}`, or install it here and on every node from an index"
            )
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return {item.filename: archive.read(item) for item in archive.infolist() if not item.is_dir()}


def _write(files: Files, into: Path) -> Path:
    """Write a wheel that requires nothing, and return its path."""
    (info,) = {path.partition("/")[0] for path in files if path.partition("/")[0].endswith(".dist-info")}
    kept = {path: data for path, data in sorted(files.items()) if path not in [f"{info}/{x}" for x in _INSTALLERS]}
    kept[f"{info}/METADATA"] = _without_requirements(kept[f"{info}/METADATA"])
    tags = _tags(kept[f"{info}/WHEEL"].decode())
    digest = hashlib.sha256()
    for path, data in kept.items():
        digest.update(f"{path}\0{len(data)}\0".encode() + data)
    # a build's number begins with a digit
    wheel = into / f"{info.removesuffix('.dist-info')}-1{digest.hexdigest()[:_DIGEST]}-{tags}.whl"
    kept[f"{info}/RECORD"] = _record(kept, f"{info}/RECORD")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in kept.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return wheel


def _without_requirements(metadata: bytes) -> bytes:
    head, blank, body = metadata.decode().partition("\n\n")
    lines = [line for line in head.splitlines() if not line.lower().startswith(_REQUIRES)]
    return ("\n".join(lines) + (blank or "\n") + body).encode()


def _tags(wheel: str) -> str:
    """Return what a wheel's name says of where it runs, such as ``py3-none-any``."""
    rows = [line.partition(":")[2].strip().split("-") for line in wheel.splitlines() if line.startswith("Tag:")]
    return "-".join(".".join(dict.fromkeys(column)) for column in zip(*rows, strict=True))


def _record(files: Files, own: str) -> bytes:
    rows = []
    for path, data in files.items():
        digest = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f'"{path}",sha256={digest},{len(data)}')
    return "\n".join([*rows, f"{own},,", ""]).encode()


def _required(package: Distribution) -> Iterator[str]:
    """Yield what a package requires where no extra of it is asked for, without its markers."""
    from packaging.requirements import Requirement

    for text in package.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            requirement.marker = None
            yield str(requirement)


def _local(requirement: str) -> str | None:
    """Return the name of a required package that is installed here from no index."""
    try:
        package = distribution(_name(requirement))
    except PackageNotFoundError:
        return None
    is_ours = _same(package.name) == OWN_DISTRIBUTION
    return None if is_ours or _origin(package) is None else package.name


def _name(requirement: str) -> str:
    from packaging.requirements import Requirement

    return _same(Requirement(requirement).name)


def _same(name: str) -> str:
    from packaging.utils import canonicalize_name

    return str(canonicalize_name(name))
