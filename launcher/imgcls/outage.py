"""Storage that fails for a while: how long it is waited for."""

import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from imgcls.errors import StorageError

_FIRST, _LONGEST = 0.5, 60.0  # seconds
_HURRIED = 2.0  # the longest pause of who has nothing else to do
_PASSING = {
    errno.EIO,
    errno.EAGAIN,
    errno.EBUSY,
    errno.ENXIO,
    errno.ENODEV,
    errno.ENOLINK,
    errno.EREMOTEIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.ENOTCONN,
    errno.ECONNRESET,
    errno.ECONNREFUSED,
    errno.ECONNABORTED,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
}
_OS_ERROR = re.compile(r"\(os error (\d+)\)")

Result = TypeVar("Result")


def pauses(longest: float = _LONGEST) -> Iterator[float]:
    """Yield the seconds between tries without end: 0.5, 1, 2, 4 ... up to the longest."""
    pause = _FIRST
    while True:
        yield min(pause, longest)
        pause *= 2


def until_it_works(attempt: Callable[[], Result], seconds: float, what: str) -> Result:
    """Return what an attempt returns, made again while storage fails.

    Args:
        attempt: raises OSError where storage fails.
        seconds: how long to go on.
        what: of the message, such as "runs/digits/result.json".

    Raises:
        StorageError: it failed for longer than that.
    """
    end = time.monotonic() + seconds
    for pause in pauses(_HURRIED):
        try:
            return attempt()
        except OSError as error:
            if time.monotonic() + pause > end:
                raise StorageError(
                    f"{what} could not be written within {seconds:g} s: {reason(error)}\n"
                    "free space or mend the storage, then give the same command again: the run continues"
                ) from error
            time.sleep(pause)
    raise AssertionError("pauses have no end")


def may_pass(error: OSError, root: Path) -> bool:
    """Whether a file that cannot be read may be there again later: its disk or network fails, or is not mounted.

    Args:
        error: met in reading.
        root: the folder that all files are below.
    """
    if error.errno in _PASSING:
        return True
    return error.errno in (errno.ENOENT, errno.ENOTDIR) and _is_away(root)


def _is_away(root: Path) -> bool:
    """Whether a folder is not there, or empty as a mount point is."""
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is None
    except OSError:
        return True


def reason(error: BaseException) -> str:
    """Return why storage failed, in the operating system's words."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def as_os_error(error: Exception) -> OSError | None:
    """Return the error of the operating system that a library written in Rust tells of; None if it is another."""
    found = _OS_ERROR.search(str(error))
    if found is None:
        return None
    return OSError(int(found[1]), str(error).partition("(os error")[0].rpartition(": ")[2].strip())
