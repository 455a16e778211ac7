"""Whether workers are still at a run: each holds a file of its folder, and the kernel lets go when it ends.

Who starts workers holds the run's folder itself, and may be killed before them: for a moment they train on.
"""

import fcntl
from pathlib import Path
from typing import IO

_held: list[IO[str]] = []  # for as long as this process lives


def be_present(run: Path) -> None:
    """Be known to be at the run in a folder until this process ends."""
    file = _file(run).open("a")
    fcntl.flock(file, fcntl.LOCK_SH)
    _held.append(file)


def is_anyone_present(run: Path) -> bool:
    """Whether another process is at the run in a folder."""
    with _file(run).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def _file(run: Path) -> Path:
    return run / ".workers"
