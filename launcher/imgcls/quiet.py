"""Libraries that write on standard error beside raising an error: DALI's decoders do."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def libraries_quiet(log: Path) -> Iterator[None]:
    """Send what C and C++ code writes on standard error to the end of a file, perhaps the null device.

    What Python writes still reaches the terminal, and so does a debugger.
    """
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stderr.flush()
    before, kept = sys.stderr, os.dup(2)
    os.dup2(handle, 2)
    os.close(handle)
    sys.stderr = os.fdopen(os.dup(kept), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    try:
        yield
    finally:
        sys.stderr.close()
        sys.stderr = before
        os.dup2(kept, 2)
        os.close(kept)
