"""Where weights are: a file, a run, https:// or hf://, fetched once into the cache and known by their SHA-256.

Imports no torch: the driver asks for the weights before it starts workers.
"""

import hashlib
import http.client
import json
import os
import re
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgcls import cache
from imgcls.errors import UserError
from imgcls.run_folder import RunFolder, read_json, write_whole

_TIMEOUT = 30  # seconds without a byte
_BLOCK = 1 << 20
# safetensors first: they need no trust
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_OWN_FILES = ("ema.safetensors", "model.safetensors")
_HUB = "https://huggingface.co"
# torch's hub puts the start of a file's SHA-256 in its name
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.")


class _Missing(Exception):
    """The server has no such file."""


@dataclass(frozen=True)
class Weights:
    """A file of weights.

    Attributes:
        source: as the user wrote it.
        path: where the file is on this machine.
        sha256: of the file, in hexadecimal.
        layout: whose names it has; empty: found by trying.
    """

    source: str
    path: str
    sha256: str
    layout: str = ""


def locate(source: str, sha256: str = "", layout: str = "") -> Weights:
    """Return the file that a source names, fetched if it is not on this machine.

    Args:
        source: a file, a run's folder (its best checkpoint) or a checkpoint's, ``https://...``, or
            ``hf://OWNER/NAME[@REVISION][/FILE]`` (without FILE: safetensors, else PyTorch's).
        sha256: what the file must have; empty: any.
        layout: handed on.

    Raises:
        UserError: there is no such file, it cannot be fetched, or it is another one.
    """
    if source.startswith("hf://"):
        path = _from_hub(source, sha256)
    elif "://" in source:
        path = _fetched(source, source, sha256)
    else:
        path = _local(Path(source).expanduser())
    found = _sha256(path)
    if sha256 and found != sha256.lower():
        raise UserError(f"weights {source}: {path} has the SHA-256 {found}, not {sha256}; it is another file")
    return Weights(source, str(path.absolute()), found, layout)


def here(weights: Weights) -> Path:
    """Return the file on this machine, which may be another one than that on which it was located.

    Raises:
        UserError: it cannot be got, or is another by now.
    """
    path = Path(weights.path)
    if path.is_file() and _sha256(path) == weights.sha256:
        return path
    return Path(locate(weights.source, weights.sha256).path)


def _local(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(
            f"weights {path}: there is no such file; give a file, a run's folder, https://... or hf://OWNER/NAME"
        )
    found = of_checkpoint(path) or of_run(path)
    if found is None:
        raise UserError(f"weights {path}: is no run's folder with a checkpoint, and holds no model.safetensors")
    return found


def of_checkpoint(folder: Path) -> Path | None:
    """Return the weights to serve of a checkpoint's folder: the moving average where there is one."""
    return next((folder / name for name in _OWN_FILES if (folder / name).is_file()), None)


def of_run(folder: Path) -> Path | None:
    """Return the weights to serve of a run's folder: of its best checkpoint, while it runs of its newest."""
    run = RunFolder(folder)
    names: list[Any] = []
    if run.result.is_file():
        result = read_json(run.result)
        names = [result.get("best_checkpoint"), result.get("checkpoint")]
    newest = sorted((str(p.relative_to(folder)) for p in run.checkpoints.glob("step-*")), reverse=True)
    found = (of_checkpoint(folder / str(name)) for name in [*names, *newest] if name)
    return next((file for file in found if file is not None), None)


def _from_hub(source: str, sha256: str) -> Path:
    match = re.fullmatch(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+?))?(?:/([^@]+))?", source)
    if match is None:
        raise UserError(f"weights {source}: expected hf://OWNER/NAME/FILE, or hf://OWNER/NAME@REVISION/FILE")
    repository, revision, file = match[1], match[2] or "main", match[3]
    endpoint = os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")
    names = (file,) if file else _HUB_FILES
    for name in names:
        try:
            return _fetched(source, f"{endpoint}/{repository}/resolve/{revision}/{name}", sha256, file is None)
        except _Missing:
            continue
    raise UserError(f"weights {source}: {repository} has none of {', '.join(names)}; name a file of it")


def _fetched(source: str, address: str, sha256: str, may_miss: bool = False) -> Path:
    scheme = address.partition("://")[0]
    if scheme not in ("http", "https") or (scheme == "http" and not (sha256 or _is_this_machine(address))):
        advice = "set weights.sha256" if scheme == "http" else "known are https:// and hf://"
        raise UserError(f"weights {source}: nothing is fetched from {scheme}:// unchecked; {advice}")
    name = address.partition("?")[0].rpartition("/")[2] or "weights"
    folder = cache.folder("weights") / hashlib.sha256(address.encode()).hexdigest()[:16]
    file, record = folder / name, folder / "record.json"
    if file.is_file() and record.is_file() and read_json(record)["sha256"] == _sha256(file):
        return file
    with _told(source, address, may_miss):
        folder.mkdir(parents=True, exist_ok=True)
        found = _download(address, file, sha256 or _in_name(name))
        write_whole(record, json.dumps({"address": address, "sha256": found}) + "\n")
    return file


def _is_this_machine(address: str) -> bool:
    return re.match(r"http://(127\.0\.0\.1|localhost)[:/]", address) is not None


def _in_name(name: str) -> str:
    match = _HASH_IN_NAME.search(name)
    return match[1] if match else ""


@contextmanager
def _told(source: str, address: str, may_miss: bool) -> Iterator[None]:
    try:
        yield
    except urllib.error.HTTPError as error:
        if error.code == 404 and may_miss:
            raise _Missing from None
        hint = "; set HF_TOKEN, if it is private" if error.code in (401, 403) else ""
        raise UserError(f"weights {source}: {address}: {error.code} {error.reason}{hint}") from None
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UserError(
            f"weights {source}: {address} cannot be fetched: {reason}; "
            "give the command again where there is a network, or fetch it yourself and name the file"
        ) from None


def _download(address: str, target: Path, expected: str) -> str:
    """Fetch a file whole or not at all, and return its SHA-256, which must begin with what is expected."""
    partial = target.with_name(f".{secrets.token_hex(8)}.part")
    request = urllib.request.Request(address)  # noqa: S310 (the scheme has been looked at)
    token = os.environ.get("HF_TOKEN")
    if token and address.startswith(os.environ.get("HF_ENDPOINT", _HUB)):
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    digest, came = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer, partial.open("wb") as file:  # noqa: S310
            size = answer.headers.get("Content-Length")
            while block := answer.read(_BLOCK):
                digest.update(block)
                came += len(block)
                file.write(block)
        if size is not None and came != int(size):
            raise http.client.IncompleteRead(b"", int(size) - came)
        found = digest.hexdigest()
        if not found.startswith(expected.lower()):
            raise UserError(f"weights {address}: has the SHA-256 {found}, not {expected}; nothing was kept")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return found


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"weights {path}: {error.strerror}") from None
