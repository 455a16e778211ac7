"""The processes that this one has started, and those that they have. Imports nothing heavy.

Run as a script, it is the guard of :func:`guarded`.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 10.0  # seconds that a process may take to end after SIGKILL


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
        kill(process)


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """See that every other process with a file open below a folder ends with this one, even if this is killed.

    Ray's processes all have one below their session's folder. Left to themselves, workers notice after two or
    three seconds that their driver was killed, and two of Ray's helpers after a minute: they first try to tell
    Ray's control store of it, which is gone too. The guard is a small process that waits for the end of a pipe.
    It has a process group of its own, so that a kill of the driver's group leaves it to do its work.
    """
    command = [sys.executable, "-I", "-S", __file__, str(folder.resolve())]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, process_group=0)
    assert guard.stdin is not None
    try:
        yield
    finally:
        guard.stdin.close()
        guard.wait()


def _guard(folder: str) -> None:
    owner = os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM):  # some schedulers send it to every process of a job
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()  # until the other end is closed: by its owner, or by the kernel
    end = time.monotonic() + _PATIENCE
    while (left := [process for process in _all_but(owner) if _has_open(process, folder + "/")]) and (
        time.monotonic() < end
    ):
        for process in left:
            kill(process)
        time.sleep(0.02)


def _all_but(one: int) -> list[int]:
    return [number for entry in Path("/proc").glob("[0-9]*") if (number := int(entry.name)) != one]


def _has_open(process: int, prefix: str) -> bool:
    try:
        return any(str(entry.readlink()).startswith(prefix) for entry in Path(f"/proc/{process}/fd").iterdir())
    except OSError:  # it has ended, or is another user's
        return False


def kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    _guard(sys.argv[1])
