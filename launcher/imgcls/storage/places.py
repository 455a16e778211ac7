"""Which folder of this host is the copy of what is at an address."""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgcls import cache
from imgcls.errors import UserError
from imgcls.run_folder import RunFolder
from imgcls.storage.store import Store

_ADVICE = "is the address right, does the store answer, and do you have the right to write there?"


def is_address(storage: str) -> bool:
    """Whether a storage is an address, and no path."""
    return "://" in storage


def run_folder(storage: str, name: str) -> RunFolder:
    """Return the folder of a run in a storage: its own, or this host's copy of what is at an address."""
    if storage.startswith("file://"):
        storage = storage.removeprefix("file://")
    if not is_address(storage):
        return RunFolder(Path(storage) / name)
    return copy_of(f"{storage.rstrip('/')}/{name}")


def copy_of(address: str, kind: str = "runs") -> RunFolder:
    """Return this host's copy of a run.

    Args:
        address: of the run.
        kind: of copies: ``runs`` is for those who train.
    """
    storage, _, name = address.rstrip("/").rpartition("/")
    key = hashlib.sha256(storage.encode()).hexdigest()[:32]
    return RunFolder(cache.folder(kind) / key / name, address.rstrip("/"))


def probe(address: str) -> None:
    """See that a storage can be written, read, and that files there can be removed.

    Args:
        address: of the storage, such as ``s3://bucket/runs``.

    Raises:
        UserError: it cannot; why, and what to do.
    """
    name, data = f".probe-{secrets.token_hex(8)}", secrets.token_bytes(32)
    with explained(address):
        store = Store(address)
        store.write(name, data)
        found = store.read(name)
        store.remove(name)
    if found != data:
        raise UserError(f"the storage {address}: what is read there is not what was written; is it a cache?")


@contextmanager
def explained(address: str, advice: str = _ADVICE) -> Iterator[None]:
    """Raise a UserError that names the storage in the place of an error of the store's."""
    try:
        yield
    except OSError as error:
        raise UserError(f"the storage {address} cannot be used: {error.strerror or error}; {advice}") from None
