"""Metrics as CSV, for spreadsheets: ``metrics-train.csv``, ``metrics-evaluation.csv``, and so on."""

import contextlib
import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

from imgcls import Tracker
from imgcls_trackers.options import Csv


class CsvTracker(Tracker):
    """Writes each kind of record to a file of its own; a continued run first drops what it will repeat.

    Args:
        folder: the run's folder.
        prefix: of the files' names.
    """

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder = folder
        self.prefix = prefix

    def _file(self, kind: str) -> Path:
        return self.folder / f"{self.prefix}-{kind}.csv"

    def rewind(self, step: int) -> None:
        """Forget every record later than an update's number."""
        for path in self.folder.glob(f"{self.prefix}-*.csv"):
            with path.open(newline="", encoding="utf-8") as file:
                # the last line of a killed run may be cut off
                lines = [line for line in file if line.endswith("\n")]
            if not lines:
                path.unlink()
                continue
            reader = csv.DictReader(lines)
            kept = [line for row, line in zip(reader, lines[1:], strict=True) if int(row["step"]) <= step]
            with path.open("w", newline="", encoding="utf-8") as file:
                file.writelines([lines[0], *kept])

    def log(self, record: Mapping[str, object]) -> None:
        """Append one record.

        Raises:
            OSError: storage fails; the file is as it was.
        """
        row = {key: value for key, value in record.items() if key != "kind"}
        path = self._file(str(record["kind"]))
        size = path.stat().st_size if path.exists() else 0
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(row))
        if size == 0:
            writer.writeheader()
        writer.writerow(row)
        try:
            with path.open("a", newline="", encoding="utf-8") as file:
                file.write(text.getvalue())
        except OSError:
            # a part of it may be there, and it will be given again
            with contextlib.suppress(OSError):
                os.truncate(path, size)
            raise


def build(options: Csv, folder: Path) -> CsvTracker:
    """A tracker that writes below the run's folder."""
    return CsvTracker(folder, options.prefix)
