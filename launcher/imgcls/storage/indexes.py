"""Index files of plans in a storage, beside its runs: named by the digest of what is in them."""

from pathlib import Path

from imgcls.storage.files import fetch
from imgcls.storage.store import Store


def bring_index(storage: Store, name: str, cache: Path) -> Path:
    """Return an index file of a plan in this host's cache, fetched where it is not there; on several at once.

    Args:
        storage: at the address of the storage, not of a run.
        name: of the file: it holds the digest of what is in it.
        cache: folder of index files.

    Raises:
        OSError: the store fails, or this disk.
    """
    path = cache / name
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        fetch(storage, f".index/{name}", path)
    return path


def take_up_index(storage: Store, path: Path) -> None:
    """Send an index file of a plan to where other hosts find it, if it is not there.

    Args:
        storage: at the address of the storage, not of a run.
        path: of the file here.

    Raises:
        OSError: the store fails.
    """
    if not storage.has(f".index/{path.name}"):
        storage.send(path, f".index/{path.name}")
