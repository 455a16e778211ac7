"""Where fetched and unpacked copies of data and weights are kept."""

import os
from pathlib import Path


def folder(kind: str) -> Path:
    """Return the folder of one kind of copies: in ``$IMGCLS_CACHE``, or in ``~/.cache/imgcls``.

    Workers of a launch on other machines fetch into their own; those of a search must see the same one.
    """
    return Path(os.environ.get("IMGCLS_CACHE") or "~/.cache/imgcls").expanduser().absolute() / kind
