"""Where fetched and unpacked copies of data and weights are kept."""

import os
from pathlib import Path


def folder(kind: str) -> Path:
    """Return the folder of one kind of copies: in ``$IMGCLS_CACHE``, or in ``~/.cache/imgcls``.

    Where workers run on several machines, it must be on a file system that all of them see.
    """
    return Path(os.environ.get("IMGCLS_CACHE") or "~/.cache/imgcls").expanduser().absolute() / kind
