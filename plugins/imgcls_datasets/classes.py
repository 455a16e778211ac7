"""Names of classes, where labels are numbers."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgcls import UserError

_SHOWN = 20


def names(file: Path) -> tuple[str, ...]:
    """Return the class names in a file: one a line, in the order of the labels.

    Lines that begin with their own numbers (``0 tench``, as in PaddleClas) are taken without these.

    Raises:
        UserError: it cannot be read, or a name is empty or comes twice.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read as a list of class names: {error}") from None
    found = [line.strip() for line in lines]
    while found and not found[-1]:
        found.pop()
    numbered = [line.partition(" ") for line in found]
    if len(found) > 1 and all(n == str(line) and name for line, (n, _, name) in enumerate(numbered)):
        found = [name.strip() for _, _, name in numbered]
    seen: dict[str, int] = {}
    for line, name in enumerate(found, 1):
        if not name:
            raise UserError(f"{file}:{line}: the line is empty; expected a class name on each")
        if name in seen:
            raise UserError(f"{file}:{line}: the class name '{name}' is already on line {seen[name]}")
        seen[name] = line
    if not found:
        raise UserError(f"{file}: holds no class names")
    return tuple(found)


def numbered(labels: NDArray[np.int64], where: str) -> tuple[str, ...]:
    """Return ``"0", "1", ...`` for all labels of a training set.

    Raises:
        UserError: some number between 0 and the greatest label has no image.
    """
    present = np.unique(labels)
    if len(present) != labels.max(initial=-1) + 1:
        lacking = set(range(len(present) + _SHOWN)) - set(present.tolist())
        shown = ", ".join(str(label) for label in sorted(lacking)[:_SHOWN] if label < labels.max())
        raise UserError(
            f"{where}: labels go up to {labels.max()}, but no image has {shown}; if that is meant, name all "
            "classes in a file, one a line, and set data.classes"
        )
    return tuple(str(label) for label in range(len(present)))
