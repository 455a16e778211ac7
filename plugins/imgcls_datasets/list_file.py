"""Images named in lists of ``path label`` lines, as PaddleClas has them."""

import re
from pathlib import Path

import numpy as np

from imgcls import Source, UserError
from imgcls_datasets import classes, listed
from imgcls_datasets.options import ListFile

_LINE = re.compile(r"(.*[^ \t])[ \t]+([0-9]{1,9})[ \t\r]*")


def build(options: ListFile, split: str) -> Source | None:
    """The images of a split, in the order of their lines.

    Raises:
        UserError: a file or an image is missing, or a line is damaged; each with its line.
    """
    root = Path(options.root).expanduser()
    if not root.is_dir():
        raise UserError(f"data list_file: there is no folder {root}; set data.root to the folder of the images")
    file = listed.locate(options.train, root)
    lines = read(file)
    if not lines:
        raise UserError(f"{file}: is empty")
    labels = np.array([label for _, _, label in lines], np.int64)
    if options.classes:
        names = classes.names(listed.locate(options.classes, root))
    else:
        names = classes.numbered(labels, str(file))
    if split != "train":
        if not options.val:
            return None
        file = listed.locate(options.val, root)
        lines = read(file)
    return source(file, root, lines, names)


def read(file: Path) -> list[tuple[int, str, int]]:
    """Return the number, path and label of each line; a path may hold blanks.

    Raises:
        UserError: lines of another form; each is named.
    """
    found, problems = [], []
    for number, line in enumerate(listed.read(file).split("\n"), 1):
        if not line.strip():
            continue
        parts = _LINE.fullmatch(line)
        if parts is None:
            problems.append((number, f"expected 'path label' with an integer from 0 on, got '{line.strip()}'"))
        else:
            found.append((number, parts[1], int(parts[2])))
    listed.complain(file, problems)
    return found


def source(file: Path, root: Path, lines: list[tuple[int, str, int]], names: tuple[str, ...]) -> Source:
    """Return the images that lines name, below ``root``.

    Raises:
        UserError: labels outside the classes, or images that are not there; each with its line.
    """
    problems = [
        (number, f"the label {label} is not in 0..{len(names) - 1}")
        for number, _, label in lines
        if label >= len(names)
    ]
    paths = [path for _, path, _ in lines]
    problems += listed.missing(root, paths, [number for number, _, _ in lines])
    listed.complain(file, problems)
    root, paths = listed.below(root, paths)
    return Source.from_files(root, paths, [label for _, _, label in lines], names)
