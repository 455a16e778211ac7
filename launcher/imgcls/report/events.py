"""Events of a run in a file: rank 0 appends, the driver follows."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgcls.lines import Backlog, append_line

_KEPT = 1000  # lines, while they cannot be written

Event = Mapping[str, Any]


class EventFile:
    """One JSON object a line, each with ``kind`` and ``time`` (seconds since 1970).

    A file, because it outlives both ends, and costs no process and no waiting: writing takes microseconds. While
    storage fails the last events are kept for later, and nobody is told.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: Backlog[str] = Backlog(self._append, most=_KEPT)

    def _append(self, line: str) -> None:
        append_line(self.path, line)

    def write(self, event: Event) -> None:
        """Append an event."""
        self._lines.add(json.dumps(event) + "\n")

    def tell(self, kind: str, **values: Any) -> None:
        """Append an event made of its values."""
        self.write({"kind": kind, "time": time.time(), **values})


class EventFollower:
    """Reads what has been appended to an event file since the last time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0

    def new(self) -> list[Event]:
        """Return the events since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except OSError:  # not there yet, or away
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        # a full disk takes a part of a line; the whole one comes later
        return [json.loads(line) for line in whole.splitlines() if line.endswith(b"}")]
