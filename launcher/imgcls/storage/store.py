"""Files below an address, in whatever fsspec knows: S3, Google's, Azure's."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from imgcls.errors import UserError

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
# a store that is away is to be known soon: whoever asked tries again in its own way
_S3 = {"connect_timeout": 5, "read_timeout": 60, "retries": {"mode": "standard", "total_max_attempts": 2}}
_S3_TRIES = 2
_SECRET = re.compile(r"//[^/@\s]+@")  # a user and a password in an address


class Store:
    """What lies below an address. All that fails raises OSError, whatever kind of error the store's package has.

    Args:
        address: such as ``s3://bucket/runs``.

    Raises:
        UserError: what reads this kind of address is not installed, or it is no address.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._files, base = _opened(self.address)
        self._base = base.rstrip("/")

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file, by its name below the address."""
        with _as_os_error():
            found = self._files.find(self._base, detail=True)
        base = f"{self._base}/"
        return {
            name.removeprefix(base): int(info["size"]) for name, info in found.items() if name.startswith(base)
        }

    def has(self, name: str) -> bool:
        """Whether there is a file."""
        with _as_os_error():
            return bool(self._files.exists(self._path(name)))

    def read(self, name: str) -> bytes:
        """Return what a file holds.

        Raises:
            FileNotFoundError: there is none.
        """
        with _as_os_error():
            data: bytes = self._files.cat_file(self._path(name))
        return data

    def fetch(self, name: str, path: Path) -> None:
        """Write a file's content to the disk.

        Raises:
            FileNotFoundError: there is none.
        """
        with _as_os_error():
            self._files.get_file(self._path(name), str(path))

    def write(self, name: str, data: bytes) -> None:
        """Make a file, or replace it; readers find the old one or the new one."""
        with _as_os_error():
            self._files.pipe_file(self._path(name), data)

    def send(self, path: Path, name: str) -> None:
        """Make a file of one on the disk, or replace it; readers find the old one or the new one."""
        with _as_os_error():
            self._files.put_file(str(path), self._path(name))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        try:
            with _as_os_error():
                self._files.rm_file(self._path(name))
        except FileNotFoundError:
            pass

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}"


def _opened(address: str) -> tuple[Any, str]:
    """Return the file system that an address is of, and the path there."""
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    scheme = urlsplit(address).scheme
    is_s3 = _EXTRAS.get(scheme) == "s3"
    settings: dict[str, Any] = {"config_kwargs": _S3} if is_s3 else {}
    try:
        files, base = url_to_fs(address, use_listings_cache=False, **settings)
    except ImportError:
        extra = _EXTRAS.get(scheme)
        advice = f"pip install 'imgcls[{extra}]'" if extra else f"install what fsspec reads {scheme}:// with"
        raise UserError(f"the storage {address}: what reads {scheme}:// is not installed; {advice}") from None
    except ValueError as error:
        known = "known are s3://, gs:// and what else fsspec reads"
        raise UserError(f"the storage {address}: {error}; {known}") from None
    if is_s3:
        files.retries = _S3_TRIES
    return files, base


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # noqa: BLE001 (each store has its own; botocore's are no OSErrors)
        raise OSError(errno.EIO, _SECRET.sub("//", f"{type(error).__name__}: {error}")) from None
