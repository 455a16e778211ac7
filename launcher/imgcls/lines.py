"""Files of lines: a line is written whole or not at all, and kept in order while it cannot be written."""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Item = TypeVar("Item")
_BLOCK = 1 << 16  # bytes


class Backlog(Generic[Item]):
    """What waits to be written, oldest first. May be used by several threads.

    Args:
        write: writes one; raises OSError where it cannot.
        most: how many are kept; the oldest are lost beyond that. None: all of them.
    """

    def __init__(self, write: Callable[[Item], None], most: int | None = None) -> None:
        self._write = write
        self._waiting: deque[Item] = deque(maxlen=most)
        self._turn = threading.RLock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: Item) -> None:
        """Write one, after those that wait; where storage fails it waits too."""
        with self._turn, contextlib.suppress(OSError):
            self._waiting.append(item)
            self.flush()

    def drop(self, is_void: Callable[[Item], bool]) -> None:
        """Forget those of what waits that are void."""
        with self._turn:
            left = [item for item in self._waiting if not is_void(item)]
            self._waiting.clear()
            self._waiting.extend(left)

    def flush(self) -> None:
        """Write all that wait.

        Raises:
            OSError: storage fails; the rest goes on waiting.
        """
        with self._turn:
            while self._waiting:
                item = self._waiting.popleft()  # first, for a signal's handler may add one meanwhile
                try:
                    self._write(item)
                except OSError:
                    self._waiting.appendleft(item)
                    raise


def append_whole(path: Path, text: str) -> None:
    """Append lines to a file that nobody else writes to; a line that an earlier failure cut off is removed.

    Raises:
        OSError: storage fails; the file is as it was, or mended by the next call.
    """
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = _end_of_lines(handle)
        os.ftruncate(handle, size)
        try:
            _write_all(handle, text.encode())
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)


def append_line(path: Path, line: str) -> None:
    """Append a line to a file that several processes write to, in one write, so that lines do not mix.

    A line that an earlier failure cut off is ended; it is no JSON, and readers pass over it.

    Raises:
        OSError: storage fails; a part of the line may have been written.
    """
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        start = "" if _ends_whole(handle, os.fstat(handle).st_size) else "\n"
        _write_all(handle, (start + line).encode())
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    # a disk that has room for a part takes the part, and says so only when asked for the rest
    while data:
        data = data[os.write(handle, data) :]


def _ends_whole(handle: int, size: int) -> bool:
    return size == 0 or os.pread(handle, 1, size - 1) == b"\n"


def _end_of_lines(handle: int) -> int:
    """Return the size in bytes up to the end of the last whole line."""
    end = os.fstat(handle).st_size
    if _ends_whole(handle, end):
        return end
    while end > 0:
        first = max(0, end - _BLOCK)
        found = os.pread(handle, end - first, first).rfind(b"\n")
        if found >= 0:
            return first + found + 1
        end = first
    return 0
