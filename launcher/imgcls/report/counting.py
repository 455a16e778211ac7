"""The live view of something that is counted through: a bar on a terminal, plain lines elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

_PLAIN_SECONDS = 15.0  # between lines where the output is no terminal


class Counting:
    """Shows how far a count has come, and how fast; to be called with what is done and of how many.

    Args:
        console: where to.

    Attributes:
        total: all that has been counted since :meth:`begin`; a count may start anew for another part.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.total = 0
        self._what = ""
        self._done = 0
        self._started = self._plain_at = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,} of {task.total:,}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("", visible=False, speed="")

    def __enter__(self) -> "Counting":
        if self.console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.console.is_terminal:
            self._progress.stop()

    def begin(self, what: str) -> None:
        """Say what is counted from now on."""
        self._what = what
        self.total = self._done = 0
        self._started = self._plain_at = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        """Take how many are done, and of how many."""
        self.total += done - (self._done if done >= self._done else 0)
        self._done = done
        now = time.monotonic()
        speed = f"{self.total / max(now - self._started, 1e-6):,.0f} images/s"
        if self.console.is_terminal:
            self._progress.update(
                self._task, description=self._what, completed=done, total=of, speed=speed, visible=True
            )
        elif now - self._plain_at > _PLAIN_SECONDS:
            self._plain_at = now
            self.console.print(f"{self._what}: {done:,} of {of:,}, {speed}", markup=False, highlight=False)
