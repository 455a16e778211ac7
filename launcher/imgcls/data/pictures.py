"""Images that are asked about: found by name, their headers read as for training."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from imgcls.data import headers
from imgcls.data.index import Index, Progress
from imgcls.errors import UserError

# of the files in a folder; a file that is named itself may have any name
ENDINGS = frozenset(
    (".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".tif", ".tiff", ".webp", ".jp2", ".ppm", ".pgm", ".pnm")
)


def named(given: Sequence[str], lines: Iterable[str]) -> list[str]:
    """Return the images that are meant, in the order given, as often as they are named.

    Args:
        given: files; folders, whose images at any depth come sorted by path; ``-`` for the names in ``lines``.
        lines: names of files and folders, one a line; empty lines are passed over.

    Raises:
        UserError: a folder without images, or no image at all.
    """
    found: list[str] = []
    for name in given:
        names = [line.rstrip("\r\n") for line in lines] if name == "-" else [name]
        for each in names:
            if each:
                found += _below(each) if Path(each).is_dir() else [each]
    if not found:
        raise UserError("no image is named; give files, folders, or - and names on standard input")
    return found


def _below(folder: str) -> list[str]:
    found, seen = [], set()
    for directory, folders, files in os.walk(folder, followlinks=True):
        status = Path(directory).stat()
        if (status.st_dev, status.st_ino) in seen:  # links that lead round in a circle
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [inner for inner in folders if not inner.startswith(".")]
        # a leading dot marks what file managers leave behind
        mine = [file for file in files if not file.startswith(".") and Path(file).suffix.lower() in ENDINGS]
        found += [str(Path(directory) / file) for file in mine]
    if not found:
        raise UserError(f"{folder}: there are no images in it ({' '.join(sorted(ENDINGS))})")
    return sorted(found)


def indexed(names: Sequence[str], progress: Progress) -> tuple[Index, dict[int, str]]:
    """Return an index of those files that are images, and what is wrong with the others, by number.

    The labels of the index are no classes, but the files' numbers in ``names``: so each answer can be told whose
    it is.

    Args:
        names: files, absolute or relative to the working directory.
        progress: called with the number of headers read and of all.
    """
    files = [str(Path(name).absolute()) for name in names]
    found: list[headers.Header] = []
    for chunk in headers.read([(file, 0, -1) for file in files]):
        found += chunk
        progress(len(found), len(files))
    faults: dict[int, str] = {}
    for number, (file, header) in enumerate(zip(files, found, strict=True)):
        if isinstance(header, str):
            faults[number] = header if Path(file).exists() else "there is no such file"
    good = [number for number in range(len(files)) if number not in faults]
    sizes = np.array([found[number] for number in good], np.int32).reshape(-1, 2)
    paths = np.array([os.fsencode(files[number].lstrip("/")) for number in good], object)
    index = Index(classes=(), labels=np.array(good, np.int64), sizes=sizes, root=Path("/"), paths=paths)
    return index, faults
