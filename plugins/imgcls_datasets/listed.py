"""Files of lines that name images: what CSV files and lists have in common."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from imgcls import UserError

_SHOWN = 20
Problem = tuple[int, str]  # line, what is wrong there


def read(file: Path) -> str:
    """Return the text of a UTF-8 file.

    Raises:
        UserError: there is none, or it is in another encoding; the line is named.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{file}:{line}: is no UTF-8 text ({error.reason}); save the file as UTF-8") from None


def locate(name: str, root: Path) -> Path:
    """Return a file that lies below ``root``, or where its name says.

    Raises:
        UserError: neither is there.
    """
    below, given = root / name, Path(name).expanduser()
    found = next((file for file in (below, given) if file.is_file()), None)
    if found is None:
        places = f"{below}" if below == given else f"{below} or {given}"
        raise UserError(f"there is no file {places}; correct its name in the recipe's [data]")
    return found


def missing(root: Path, paths: Sequence[str], lines: Sequence[int]) -> list[Problem]:
    """Return a problem for each path that names no file: each folder is listed once, no file is touched."""
    folders: dict[str, frozenset[str]] = {}
    problems = []
    for path, line in zip(paths, lines, strict=True):
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            folders[folder] = _names(root / (folder or ("/" if path.startswith("/") else "")))
        if name in (".", "..") or name not in folders[folder]:
            problems.append((line, f"there is no file {root / path}"))
    return problems


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208 (names are all that is needed)
    except (OSError, ValueError):
        return frozenset()


def below(root: Path, paths: Sequence[str]) -> tuple[Path, list[str]]:
    """Return a folder and paths relative to it, also where some are absolute."""
    if not any(PurePosixPath(path).is_absolute() for path in paths):
        return root, list(paths)
    return Path("/"), [str(root.absolute() / path).lstrip("/") for path in paths]


def complain(file: Path, problems: Sequence[Problem]) -> None:
    """Raise for all problems of a file at once.

    Raises:
        UserError: there are some; each with its line.
    """
    if not problems:
        return
    shown = [f"{file}:{line}: {what}" for line, what in sorted(problems)[:_SHOWN]]
    if len(problems) > _SHOWN:
        shown.append(f"... and {len(problems) - _SHOWN} more")
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    raise UserError("\n".join([*shown, f"{count}; nothing was started."]))
