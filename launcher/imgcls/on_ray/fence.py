"""Keeps workers of an earlier launch from training beside those of this one. Imports nothing heavy.

Workers outlive the head of their cluster by a minute, and train on meanwhile.
"""

import contextlib
import secrets
from collections.abc import Callable

from imgcls.run_folder import RunFolder, write_whole

_NAME = ".launch"  # of the file that says whose the run is now


def supersede(folder: RunFolder) -> None:
    """Have all workers that are at the run end within two seconds, those that start from now on excepted.

    The storage may not take it now: then they are left to Ray.
    """
    with contextlib.suppress(OSError):
        write_whole(folder.path / _NAME, secrets.token_hex(16))


def superseded(folder: RunFolder) -> Callable[[], bool]:
    """Return what tells whether :func:`supersede` has been called since; False where the storage cannot say."""
    file = folder.path / _NAME
    mine = _read(folder)

    def is_superseded() -> bool:
        with contextlib.suppress(OSError):
            return file.read_text(encoding="ascii") != mine
        return False

    return is_superseded


def _read(folder: RunFolder) -> str:
    try:
        return (folder.path / _NAME).read_text(encoding="ascii")
    except OSError:
        return ""
