"""metrics.jsonl, and the trackers that are told the same."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imgcls.run_folder import write_whole
from imgcls.train.callback import Tracker


class Journal:
    """One JSON object a line: ``kind``, ``step``, ``epoch``, and figures; on rank 0.

    Args:
        path: of the file.
        trackers: receive each record too.
    """

    def __init__(self, path: Path, trackers: Sequence[Tracker]) -> None:
        self.path = path
        self.trackers = trackers

    def rewind(self, step: int) -> None:
        """Forget what was logged after a step: it will be done, and logged, again."""
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            # the last line of a killed run may be cut off
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
            write_whole(self.path, "".join(kept))
        for tracker in self.trackers:
            tracker.rewind(step)

    def log(self, kind: str, step: int, epoch: int, **figures: Any) -> None:
        """Append a record."""
        record = {"kind": kind, "step": step, "epoch": epoch, **figures}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        for tracker in self.trackers:
            tracker.log(record)

    def close(self) -> None:
        """Tell the trackers that the run has ended."""
        for tracker in self.trackers:
            tracker.close()
