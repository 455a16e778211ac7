"""metrics.jsonl, and the trackers that are told the same."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from imgcls.lines import Backlog, append_whole
from imgcls.outage import reason, until_it_works
from imgcls.run_folder import write_whole
from imgcls.train.callback import Tracker


class Journal:
    """One JSON object a line: ``kind``, ``step``, ``epoch``, and figures; on rank 0.

    What cannot be written now, to the file or by a tracker that raises OSError, is kept and written later, in
    order.

    Args:
        path: of the file.
        trackers: receive each record too.
        warn: takes a message about records that a tracker never took.
    """

    def __init__(
        self, path: Path, trackers: Sequence[Tracker], warn: Callable[[str], None] = lambda _text: None
    ) -> None:
        self.path = path
        self.trackers = trackers
        self.warn = warn
        self._lines: Backlog[str] = Backlog(lambda line: append_whole(path, line))
        self._told: list[Backlog[Mapping[str, Any]]] = [Backlog(tracker.log) for tracker in trackers]

    def rewind(self, step: int) -> None:
        """Forget what was logged after a step: it will be done, and logged, again."""
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            # the last line of a killed run may be cut off
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
            write_whole(self.path, "".join(kept))
        self._lines.drop(lambda line: json.loads(line)["step"] > step)
        for tracker, backlog in zip(self.trackers, self._told, strict=True):
            backlog.drop(lambda record: record["step"] > step)
            tracker.rewind(step)

    def log(self, kind: str, step: int, epoch: int, **figures: Any) -> None:
        """Append a record."""
        record = {"kind": kind, "step": step, "epoch": epoch, **figures}
        self._lines.add(json.dumps(record) + "\n")
        for backlog in self._told:
            backlog.add(record)

    def flush(self) -> None:
        """Write the lines that could not be written so far.

        Raises:
            OSError: storage fails.
        """
        self._lines.flush()

    def finish(self, seconds: float) -> None:
        """Write what is left, waiting for storage.

        Raises:
            StorageError: lines of metrics.jsonl could not be written for longer than so many seconds.
        """
        until_it_works(self.flush, seconds, f"the last {len(self._lines)} lines of {self.path}")
        for tracker, backlog in zip(self.trackers, self._told, strict=True):
            try:
                backlog.flush()
            except OSError as error:
                name = type(tracker).__name__
                self.warn(f"{name}: the last {len(backlog)} records were not taken: {reason(error)}")

    def close(self) -> None:
        """Tell the trackers that the run has ended."""
        for tracker in self.trackers:
            tracker.close()
