"""The images that a run leaves out because they cannot be decoded, each named once."""

import json
import os
from collections.abc import Callable
from pathlib import Path

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
        self._known = self._read()
        self._shown = 0

    def __call__(self, image: str, reason: str) -> None:
        """Record an image, unless it is there already."""
        if image in self._known or image in self._read():  # another rank may have met it
            return
        self._known.add(image)
        line = json.dumps({"path": image, "reason": reason}) + "\n"
        # one write a line, so that lines of several ranks do not mix
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)
        self._shown += 1
        if self._shown <= _SHOWN:
            self.warn(f"left out: {image}: {reason}")
        elif self._shown == _SHOWN + 1:
            self.warn(f"more images are left out; {self.path} names all of them")

    def _read(self) -> set[str]:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        except FileNotFoundError:
            return set()
        # the last line of a killed run may be cut off
        return {json.loads(line)["path"] for line in lines if line.endswith("\n")}

    def count(self) -> int:
        """Return how many images all ranks have left out so far."""
        return len(self._read())
