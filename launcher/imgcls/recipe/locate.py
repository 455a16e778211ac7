"""On which line of a TOML file a key was set. tomllib does not say, so parse its prefixes."""

import tomllib
from typing import Any

KeyPath = tuple[str | int, ...]


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line (from 1) on which the statement begins that set each key or opened each table.

    The shortest prefix of lines that parses and contains a key ends with the statement that set it, and
    the statement begins right after the longest shorter prefix that parses. Quadratic in the number of
    lines, about 10 ms for 60: for messages, not for every start.
    """
    # split on \n only: a TOML string may hold other line separators
    lines = text.split("\n")
    found: dict[KeyPath, int] = {(): 1}
    first = 0
    for end in range(1, len(lines) + 1):
        try:
            tree = tomllib.loads("\n".join(lines[:end]) + "\n")
        except ValueError:  # TOMLDecodeError is one
            continue
        for path in _paths(tree):
            found.setdefault(path, first + 1)
        first = end
    return found


def _paths(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    if isinstance(value, dict):
        children: list[tuple[str | int, Any]] = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    else:
        return [path]
    return [path, *(inner for key, child in children for inner in _paths(child, (*path, key)))]
