"""What commands write, and where: no file is overwritten unasked, and decoders do not talk in between."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def refuse(option: str, path: Path, force: bool) -> None:
    """Raise a UserError where a file cannot be written, or is there and not to be overwritten.

    Args:
        option: of the command line that names the file, for the message.
        path: of the file.
        force: whether the user lets it be overwritten.
    """
    import os

    from imgcls.errors import UserError

    folder = path.absolute().parent
    if not folder.is_dir():
        raise UserError(f"{option} {path}: there is no folder {folder}; make it")
    if path.is_dir():
        raise UserError(f"{option} {path}: is a folder; give the name of a file in it")
    if path.exists() and not force:
        raise UserError(f"{option} {path}: is there already and was left as it is; give another name, or --force")
    if not os.access(folder, os.W_OK):
        raise UserError(f"{option} {path}: cannot be written: the folder is not yours to write in")


@contextmanager
def decoders_quiet() -> Iterator[None]:
    """Drop what C and C++ code writes on standard error: DALI's decoders do, beside raising an error.

    What Python writes there still comes.
    """
    import os
    import sys

    sys.stderr.flush()
    before, kept, nowhere = sys.stderr, os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = os.fdopen(os.dup(kept), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    try:
        yield
    finally:
        sys.stderr.close()
        sys.stderr = before
        os.dup2(kept, 2)
        os.close(kept)
