"""Datasets on object stores: fetched once into a local folder, then read from there."""

import hashlib
import json
import os
import secrets
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import cache as once
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from imgcls import UserError, cache

_AT_ONCE = 32  # downloads; nearly all of their time is waiting
_LOG = ".imgcls-fetched.jsonl"
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
# what tells a file's content apart, in the words of S3, Google's, Azure's and plain file systems
_MARKS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "created")


def local(root: str) -> Path:
    """Return a folder with the files below a root: the root itself, or a copy of what an address names.

    The copy is in ``$IMGCLS_CACHE/remote`` or ``~/.cache/imgcls/remote``. Each file in it is whole; what is there
    already and has the same size and mark (ETag) is not fetched again, and what the store no longer has is
    removed. The store is asked once in a process.

    Raises:
        UserError: the package for this kind of address is missing, or the store cannot be read.
    """
    plain = root.removeprefix("file://")
    if "://" not in plain:
        return Path(plain).expanduser()
    return _fetched(root.rstrip("/"), cache.folder("remote"))


@once
def _fetched(address: str, folder: Path) -> Path:
    target = folder / hashlib.sha256(address.encode()).hexdigest()[:32]
    try:
        store, files = _listing(address)
        target.mkdir(parents=True, exist_ok=True)
        _bring(store, files, target)
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 (each store has its own; botocore's are no OSErrors)
        raise UserError(f"{address}: cannot be fetched: {type(error).__name__}: {error}") from None
    return target


def _listing(address: str) -> tuple[Any, dict[str, dict[str, Any]]]:
    """Return the file system, and what it knows of each file, by its path below the address."""
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    scheme = urlsplit(address).scheme
    try:
        store, base = url_to_fs(address, use_listings_cache=False)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        advice = f"pip install 'imgcls[{extra}]'" if extra else f"install what reads {scheme}:// addresses"
        raise UserError(f"{address}: {error}; {advice}") from None
    except ValueError as error:
        raise UserError(f"{address}: {error}; known are s3://, gs:// and what else fsspec reads") from None
    base = base.rstrip("/")
    found = {}
    for name, info in store.find(base, detail=True).items():
        if name == base:
            raise UserError(f"{address}: is a file; give the address of its folder")
        below = name[len(base) + 1 :]
        if below.endswith("/"):
            continue  # how some tools mark a folder
        if ".." in PurePosixPath(below).parts or below.startswith("/") or below == _LOG:
            raise UserError(f"{address}: the name '{below}' cannot be kept in a folder; rename it")
        found[below] = info
    if not found:
        raise UserError(f"{address}: there are no files; correct data.root")
    return store, found


def _bring(store: Any, files: dict[str, dict[str, Any]], target: Path) -> None:
    """Fetch what is missing or has changed, and remove what is gone."""
    marks: dict[str, list[Any]] = {name: [int(info["size"]), _mark(info)] for name, info in files.items()}
    have = _log(target)
    for name in have.keys() - marks.keys():
        (target / name).unlink(missing_ok=True)
    wanted = [name for name, mark in marks.items() if have.get(name) != mark or not _whole(target / name, mark[0])]
    log = os.open(target / _LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(log, b"\n")  # after a line that was cut off

    def fetch(name: str) -> None:
        _fetch(store, files[name]["name"], target / name, marks[name][0])
        os.write(log, json.dumps([name, *marks[name]]).encode() + b"\n")  # one write: no two lines mix

    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        waiting = [pool.submit(fetch, name) for name in wanted]
        for future in wait(waiting, return_when=FIRST_EXCEPTION).done:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)
        os.close(log)


def _fetch(store: Any, name: str, file: Path, size: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{secrets.token_hex(8)}.part")  # others may be at it, on other machines, too
    try:
        store.get_file(name, str(partial))
        if not _whole(partial, size):
            raise UserError(f"{name}: {partial.stat().st_size} bytes came, not {size}; give the command again")
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _whole(file: Path, size: int) -> bool:
    try:
        return file.stat().st_size == size
    except OSError:
        return False


def _mark(info: dict[str, Any]) -> str:
    return next((str(info[key]) for key in _MARKS if info.get(key) is not None), "")


def _log(target: Path) -> dict[str, list[Any]]:
    """Return size and mark of each file that was fetched; a last line that was cut off counts for nothing."""
    try:
        lines = (target / _LOG).read_text(encoding="utf-8").split("\n")
    except OSError:
        return {}
    found = {}
    for line in lines:
        try:
            name, size, mark = json.loads(line)
        except ValueError:
            continue
        found[name] = [size, mark]
    return found
