"""The images that a run leaves out because they cannot be decoded, each named once."""

import json
from collections.abc import Callable
from pathlib import Path

from imgcls.lines import Backlog, append_line

_SHOWN = 10  # on the terminal; the file has all


class LeftOut:
    """Takes what is left out, on every rank: one JSON object a line, with ``path`` and ``reason``.

    Args:
        path: of the file, shared by all ranks; an earlier launch of the run may have begun it.
        warn: takes a message for the user.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self.path = path
        self.warn = warn
        self._lines: Backlog[str] = Backlog(lambda line: append_line(path, line))
        self._known = self._read()
        self._shown = 0

    def __call__(self, image: str, reason: str) -> None:
        """Record an image, unless it is there already."""
        if image in self._known or image in self._read():  # another rank may have met it
            return
        self._known.add(image)
        self._lines.add(json.dumps({"path": image, "reason": reason}) + "\n")
        self._shown += 1
        if self._shown <= _SHOWN:
            self.warn(f"left out: {image}: {reason}")
        elif self._shown == _SHOWN + 1:
            self.warn(f"more images are left out; {self.path} names all of them")

    def _read(self) -> set[str]:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        except OSError:
            return set()
        # a line may be cut off, by a kill or a full disk
        return {json.loads(line)["path"] for line in lines if line.endswith("}\n")}

    def flush(self) -> None:
        """Write what could not be written so far.

        Raises:
            OSError: storage fails.
        """
        self._lines.flush()

    def count(self) -> int:
        """Return how many images all ranks have left out so far."""
        return len(self._read())
