"""Files of this host's copy, written so that readers find an old one or a new one, never a part."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgcls.storage.store import Store


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that readers find the old one or the new one."""
    if bytes_of(path) == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def fetch(store: Store, name: str, path: Path) -> None:
    """Write what a store has under a name.

    Raises:
        OSError: the store fails, or this disk.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        store.fetch(name, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def bytes_of(path: Path) -> bytes | None:
    """Return what a file holds; None: there is none, or it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def size_of(path: Path) -> int:
    """Return the bytes of a file; -1: there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Let one process of this host in at a time."""
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
