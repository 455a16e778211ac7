"""Events of a run in a file: rank 0 appends, the driver follows."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Event = Mapping[str, Any]


class EventFile:
    """One JSON object a line, each with ``kind`` and ``time`` (seconds since 1970).

    A file, because it outlives both ends, and costs no process and no waiting: writing takes microseconds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, event: Event) -> None:
        """Append an event."""
        line = json.dumps(event) + "\n"
        # one write a line, so that lines of several processes do not mix
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)

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
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return [json.loads(line) for line in whole.splitlines()]
