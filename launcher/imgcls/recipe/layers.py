"""The files and overrides a recipe is made of, laid over each other, each value with its origin."""

import difflib
import tomllib
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from imgcls.errors import UserError
from imgcls.recipe.locate import KeyPath, key_lines
from imgcls.recipe.problems import Problem, RecipeError

Table = dict[str, Any]
# tables whose `name` says which component they configure: another name, and the options below it go too
NAMED = ("model", "data", "optimizer", "schedule", "loss")
_NAMED_PATHS: set[KeyPath] = {*((key,) for key in NAMED), ("distill", "model")}
# what is meant where a recipe names none
DEFAULTS = {"loss": "cross_entropy", "schedule": "cosine"}
LISTS = ("augment", "track", "callback")
# what is searched: an entry replaces the one below it, for half of each means nothing
SPACE: KeyPath = ("tune", "space")


@dataclass(frozen=True)
class Layer:
    """A file, or one option of the command line (its text on one line)."""

    label: str
    tree: Table
    text: str | None = None  # of a file

    @cached_property
    def lines(self) -> dict[KeyPath, int]:
        """Line numbers of a file's keys."""
        return key_lines(self.text) if self.text is not None else {}

    def where(self, path: KeyPath) -> tuple[int, str]:
        """Return a sort key and ``file:line`` (or the command-line option) for a key or the table around it."""
        while self.text is not None and path not in self.lines:
            path = path[:-1]
        if self.text is None:
            return 1_000_000, self.label
        return self.lines[path], f"{self.label}:{self.lines[path]}"


@dataclass
class Merged:
    """All layers as one tree. ``origins`` maps each key path to its layer and its path within that layer."""

    tree: Table = field(default_factory=dict)
    origins: dict[KeyPath, tuple[Layer, KeyPath]] = field(default_factory=dict)

    def where(self, path: KeyPath) -> tuple[int, str]:
        """Return a sort key and the place of a key; of the table around it where the key is not written."""
        while path and path not in self.origins:
            path = path[:-1]
        layer, own = self.origins[path]
        return layer.where(own)

    def problem(self, path: KeyPath, text: str) -> Problem:
        """Return the problem with a key."""
        order, where = self.where(path)
        # a key of tune.space has dots within
        key = ".".join(f'"{part}"' if "." in str(part) else str(part) for part in path)
        return Problem(order, where, key, text)


def merge(path: Path, overrides: Sequence[str], flags: Sequence[tuple[str, Table]] = ()) -> Merged:
    """Read a recipe file and what it extends, and lay the overrides over it.

    Args:
        path: the recipe.
        overrides: ``key=value`` texts of ``--set``.
        flags: further options of the command line as (text, table).

    Raises:
        RecipeError: a file that is no TOML, a file that is not there, an override without a value.
    """
    merged = Merged()
    layers = _file_layers(path, ())
    merged.origins[()] = (layers[-1], ())
    for layer in layers:
        _lay_over(merged, merged.tree, layer, layer.tree, (), ())
    problems = []
    for text in overrides:
        label = "".join(letter if letter.isprintable() else " " for letter in f"--set {text}")
        try:
            tree = _parse_override(text)
        except ValueError as error:
            problems.append(Problem(1_000_000, label, "", str(error)))
            continue
        problems += _override(merged, Layer(label, tree))
    for text, tree in flags:
        problems += _override(merged, Layer(text, tree))
    if problems:
        raise RecipeError(problems)
    return merged


def _file_layers(path: Path, above: tuple[Path, ...]) -> list[Layer]:
    text = _read(path)
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError([_syntax_problem(path, text, error)]) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
        raise RecipeError([Problem(1, f"{path}:1", "", f"cannot be read as TOML: {error}")]) from None
    tree = _long_forms(tree)
    layer = Layer(str(path), tree, text)
    base = tree.pop("extends", None)
    if base is None:
        return [layer]
    if not isinstance(base, str) or not base:
        order, where = layer.where(("extends",))
        raise RecipeError([Problem(order, where, "extends", 'expected the path of a recipe, as in "base.toml"')])
    target = path.parent / base
    if is_file(target) and target.resolve() in [p.resolve() for p in (*above, path)]:
        order, where = layer.where(("extends",))
        raise RecipeError([Problem(order, where, "extends", f"{base} extends this file in turn")])
    if not is_file(target):
        order, where = layer.where(("extends",))
        raise RecipeError([Problem(order, where, "extends", f"there is no file {target}")])
    below = _file_layers(target, (*above, path))
    for inherited in below:
        inherited.tree.pop("expect", None)  # what a recipe reaches says nothing of one that changes it
    return [*below, layer]


def is_file(path: Path) -> bool:
    """Return whether a file is there; not for what can be no file's name, either."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or a zero byte
        return False


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text (byte {error.start}); a recipe is a TOML file") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


def _syntax_problem(path: Path, text: str, error: tomllib.TOMLDecodeError) -> Problem:
    message, _, position = str(error).partition(" (at ")
    words = position.rstrip(")").replace(",", "").split()
    end = text.rstrip("\n").count("\n") + 1  # tomllib may only say "at end of document"
    line = int(words[words.index("line") + 1]) if "line" in words else end
    return Problem(line, f"{path}:{line}", "", f"not valid TOML: {message[0].lower()}{message[1:]}")


def _long_forms(tree: Table) -> Table:
    """Spell out ``model = "resnet50"`` as ``[model] name = "resnet50"``, and ``weights = "FILE"``."""
    long = dict(tree)
    for key in NAMED:
        if isinstance(long.get(key), str):
            long[key] = {"name": long[key]}
    if isinstance(long.get("weights"), str):
        long["weights"] = {"source": long["weights"]}
    distill = long.get("distill")
    if isinstance(distill, dict) and isinstance(distill.get("model"), str):
        long["distill"] = {**distill, "model": {"name": distill["model"]}}
    for key in LISTS:
        if isinstance(long.get(key), list):
            long[key] = [{"name": item} if isinstance(item, str) else item for item in long[key]]
    return long


def _lay_over(merged: Merged, into: Table, layer: Layer, tree: Table, path: KeyPath, own: KeyPath) -> None:
    if path in _NAMED_PATHS and _renames(into, tree, DEFAULTS.get(str(path[0]))):
        into.clear()
        _forget(merged, path)
    merged.origins[path] = (layer, own)
    for key, value in tree.items():
        here, there = (*path, key), (*own, key)
        if isinstance(value, dict) and isinstance(into.get(key, {}), dict) and path != SPACE:
            into.setdefault(key, {})
            _lay_over(merged, into[key], layer, value, here, there)
        else:
            _forget(merged, here)
            into[key] = value
            _remember(merged, layer, value, here, there)


def _renames(into: Table, tree: Table, default: str | None) -> bool:
    before = into.get("name", default)
    return "name" in tree and before is not None and tree["name"] != before


def _forget(merged: Merged, path: KeyPath) -> None:
    for key in [k for k in merged.origins if k[: len(path)] == path and k != ()]:
        del merged.origins[key]


def _remember(merged: Merged, layer: Layer, value: Any, path: KeyPath, own: KeyPath) -> None:
    merged.origins[path] = (layer, own)
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        _remember(merged, layer, child, (*path, key), (*own, key))


def _parse_override(text: str) -> Table:
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise ValueError("expected key=value, as in --set optimizer.lr=0.4")
    parts = key_parts(key)
    try:
        return _long_forms(tomllib.loads(f"{key} = {value}"))
    except (ValueError, RecursionError):
        # a bare word, as in --set data.root=DIR: TOML would want quotes that a shell takes away
        return override_tree(parts, value.strip())


@lru_cache(maxsize=1024)
def key_parts(key: str) -> tuple[str, ...]:
    """Return the parts of a dotted key.

    Raises:
        ValueError: it is not one key.
    """
    try:
        tree: Any = tomllib.loads(f"{key} = 0")
    except (ValueError, RecursionError):
        tree = {}
    parts = []
    while isinstance(tree, dict) and len(tree) == 1:
        ((part, tree),) = tree.items()
        parts.append(part)
    if tree != 0:  # no key at all, or a comment
        raise ValueError(f"'{' '.join(key.split())}' is not a key, as in optimizer.lr")
    return tuple(parts)


def override_tree(parts: Sequence[str], value: Any) -> Table:
    """Return what lays a value over a recipe at a key: a copy, which what is laid later may change."""
    tree = deepcopy(value)
    for part in reversed(parts):
        tree = {part: tree}
    return _long_forms(tree)


def long_path(parts: tuple[str, ...], value: Any) -> tuple[str, ...]:
    """Return the parts of a key, spelt out where the value is a name alone: ``model.name`` for ``model``."""
    found: Any = override_tree(parts, value)
    for part in parts:
        found = found[part]
    return (*parts, *found) if isinstance(found, dict) and not isinstance(value, dict) else parts


def names_component(parts: tuple[str, ...]) -> bool:
    """Return whether a key says which component is meant, so that options of the one before it go."""
    if parts[0] in LISTS:
        return len(parts) == 1 or parts[-1] == "name"
    return (parts[:-1] if parts[-1] == "name" else parts) in _NAMED_PATHS


def _override(merged: Merged, layer: Layer) -> list[Problem]:
    """Lay one override over the tree; ``augment.0.p`` and ``augment.cutout.p`` reach into lists."""
    for key in LISTS:
        inner, items = layer.tree.get(key), merged.tree.get(key, [])
        if isinstance(inner, dict) and isinstance(items, list):
            return [
                p for which, table in inner.items() for p in _override_item(merged, layer, (key, which), table)
            ]
    _lay_over_root(merged, layer)
    return []


def _override_item(merged: Merged, layer: Layer, own: tuple[str, str], table: Any) -> list[Problem]:
    key, which = own
    items = merged.tree.get(key, [])
    index = position(items, which)
    if index is None:
        names = [str(item["name"]) for item in items if isinstance(item, dict) and "name" in item]
        near = difflib.get_close_matches(which, names, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(names) or 'none'}"
        return [Problem(1_000_000, layer.label, "", f"the recipe has no [[{key}]] '{which}'; {hint}")]
    if not isinstance(table, dict):
        example = f"--set {key}.{which}.OPTION=VALUE"
        return [Problem(1_000_000, layer.label, "", f"name the option that is meant, as in {example}")]
    if isinstance(items[index], dict):  # what else it is, is a problem of its own
        if _renames(items[index], table, None):
            items[index].clear()
            _forget(merged, (key, index))
        _lay_over(merged, items[index], layer, table, (key, index), own)
    return []


def _lay_over_root(merged: Merged, layer: Layer) -> None:
    root = merged.origins[()]
    _lay_over(merged, merged.tree, layer, layer.tree, (), ())
    merged.origins[()] = root


def position(items: list[Any], which: str) -> int | None:
    """Return which item of a list is meant by its number or its name; None where none or several are."""
    if which.isascii() and which.isdigit():
        return int(which) if int(which) < len(items) else None
    named = [i for i, item in enumerate(items) if isinstance(item, dict) and item.get("name") == which]
    return named[0] if len(named) == 1 else None
