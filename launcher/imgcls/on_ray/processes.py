"""The processes that this one has started, and those that they have. Imports nothing heavy."""

import contextlib
import os
import signal
from pathlib import Path


def descendants(of: int) -> list[int]:
    """Return the ids of all processes below one, its children first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # it may have ended meanwhile
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    found: list[int] = []
    waiting = [of]
    while waiting:
        below = children.get(waiting.pop(0), [])
        found += below
        waiting += below
    return found


def kill_descendants() -> None:
    """End every process below this one at once, stopped ones too.

    Ray's own would notice that their driver is gone, some of them after ten seconds.
    """
    for process in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)
