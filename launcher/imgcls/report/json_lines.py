"""A run's events as JSON lines, for programs: what a :class:`Terminal` would show, and what it would say."""

import json
import os
import time
from typing import Any

from imgcls.report.events import Event

_PROGRESS_EVERY = 2.0  # seconds


class JsonLines:
    """Writes events as they come, one JSON object a line, each with ``kind`` and ``time`` (seconds since 1970).

    Plain lines are of the kind ``line``, with ``text`` and ``style``. Of a run's progress there is an event every
    two seconds, and the last before anything else: who comes late reads a day of it from the beginning.

    Args:
        handle: of the open file that is written to, without a buffer: a signal's handler may write too.
    """

    def __init__(self, handle: int) -> None:
        self.last: dict[str, Event] = {}
        self._handle = handle
        self._held: Event | None = None
        self._progress_at = 0.0

    def show(self, event: Event) -> None:
        """Take an event."""
        self.last[event["kind"]] = event
        if event["kind"] == "progress" and time.monotonic() - self._progress_at < _PROGRESS_EVERY:
            self._held = event
            return
        self._write({"time": time.time(), **event})
        if event["kind"] == "progress":
            self._progress_at = time.monotonic()

    def line(self, text: str, style: str | None = None) -> None:
        """Take what a terminal would print."""
        self._write({"time": time.time(), "kind": "line", "text": text, "style": style})

    def close(self) -> None:
        """Write what is held back."""
        self._let_go()

    def _write(self, event: dict[str, Any]) -> None:
        if event["kind"] == "progress":
            self._held = None  # an older one
        self._let_go()
        self._put(event)

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._put({"time": time.time(), **held})

    def _put(self, event: dict[str, Any]) -> None:
        data = json.dumps(event).encode() + b"\n"
        while data:
            data = data[os.write(self._handle, data) :]
