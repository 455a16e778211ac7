"""Ctrl-C and SIGTERM: the first asks for a checkpoint and the end, the second ends at once."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130  # what a shell makes of a command that Ctrl-C ended
RUN_ME_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: whoever sent SIGTERM may start the same command again
_CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: RUN_ME_AGAIN}
_SAME = 1.0  # seconds; timeout(1) and some schedulers send SIGTERM to a process and to its group: twice

Stopping = Callable[[bool, int], None]
"""Is told whether the end comes at once, and the exit code."""


class Interrupts:
    """What has been asked for so far.

    Args:
        stopping: called with False at the first signal, with True at the second.
        at_once: called after that at the second, with the exit code; must not return.
        first: called at the first.
    """

    def __init__(
        self, stopping: Stopping, at_once: Callable[[int], None], first: Callable[[], None] = lambda: None
    ) -> None:
        self.requested = False
        self.code = INTERRUPTED
        self._stopping = stopping
        self._at_once = at_once
        self._first = first
        self._last = 0.0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        now = time.monotonic()
        if self.requested and number == signal.SIGTERM and now - self._last < _SAME:
            return
        second, self.requested, self._last = self.requested, True, now
        self.code = _CODES[signal.Signals(number)]
        if second:
            self.end_at_once()
        self._stopping(False, self.code)
        self._first()

    def end_at_once(self) -> None:
        """Say so, and end."""
        self._stopping(True, self.code)
        self._at_once(self.code)


@contextmanager
def handled(interrupts: Interrupts) -> Iterator[Interrupts]:
    """Let SIGINT and SIGTERM go there; only in the main thread."""
    before = {number: signal.signal(number, interrupts) for number in _CODES}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
