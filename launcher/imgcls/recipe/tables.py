"""One TOML table against one options class: typed values, or every problem there is."""

import datetime
import difflib
import json
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from imgcls.recipe.locate import KeyPath

UNKNOWN_OPTION = "unknown option"  # what a message about one begins with
Fault = tuple[KeyPath, str]  # the key within the table, and what is wrong with it

_EXPECTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "string_type": "a string",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "dataclass_type": "a table",
    "path_type": "a string",
}
_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def check_table(table: dict[str, Any], cls: type, defaults: Any = None) -> tuple[Any, list[Fault]]:
    """Return an instance of ``cls`` made from a table over the defaults, and the faults (then None)."""
    merged = {**(asdict(defaults) if defaults is not None else {}), **table}
    faults = dict(_unlike_json(merged, cls))
    value: Any = None
    try:
        value = _adapter(cls).validate_json(json.dumps(merged, default=lambda _: {}), strict=True)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            path, text = _explain(detail, cls)
            faults.setdefault(path, text)
    # a list with a bad item is also said to be too short: the item is what is wrong
    inner = {path[:-1] for path in faults if path}
    told = [(path, text) for path, text in faults.items() if path not in inner]
    return (None, told) if told else (value, [])


@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _unlike_json(table: dict[str, Any], cls: type) -> Iterator[Fault]:
    """Yield what JSON cannot say: dates and times, numbers beyond all bounds, and `true` where 1 is a choice."""
    hints = get_type_hints(cls, include_extras=True)
    for key, value in table.items():
        yield from (((key, *path), f"expected another type, got {describe(v)}") for path, v in _strange(value))
        choices = _choices(hints.get(key))
        if choices and value is not None and not any(type(value) is type(c) and value == c for c in choices):
            yield (key,), f"{show(value)} is not one of {', '.join(repr(choice) for choice in choices)}"


def _strange(value: Any) -> list[tuple[KeyPath, Any]]:
    """Return dates, times and integers of more than 64 bits in a value, by their path."""
    if isinstance(value, datetime.date | datetime.time):
        return [((), value)]
    if isinstance(value, int) and value.bit_length() > 64:
        return [((), value)]
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [((key, *path), found) for key, child in children for path, found in _strange(child)]


def _choices(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    inner = get_args(hint)
    return next((choices for item in inner if (choices := _choices(item))), ()) if inner else ()


def _explain(detail: Any, cls: type) -> Fault:
    path: KeyPath = tuple(detail["loc"])
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return path, unknown_option(str(path[-1]), _fields_at(cls, path[:-1]))
    if kind in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return path, "missing; it has no default"
    if kind == "literal_error":
        return path, f"{show(value)} is not one of {context['expected'].replace(' or ', ', ')}"
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return path, f"must be {words} {context[bound]}, got {show(value)}"
    if kind in ("too_short", "too_long"):
        words = f"at least {context['min_length']}" if kind == "too_short" else f"at most {context['max_length']}"
        return path, f"must have {words} values, has {context['actual_length']}"
    if kind == "finite_number":
        return path, f"must be a finite number, got {value}"
    if kind in _EXPECTED:
        return path, f"expected {_EXPECTED[kind]}, got {describe(value)}"
    return path, str(detail["msg"])


def _fields_at(cls: Any, path: KeyPath) -> list[str]:
    """Return the fields of the options class at a path below another, through optional and annotated types."""
    for key in path:
        inner = get_type_hints(cls).get(str(key), cls) if is_dataclass(cls) else cls
        cls = next((item for item in (inner, *get_args(inner)) if is_dataclass(item)), cls)
    return [field.name for field in fields(cls)]


def unknown_option(name: str, known: list[str]) -> str:
    """Return the message for a key that is not there, with the nearest that is."""
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"{UNKNOWN_OPTION}; did you mean '{near[0]}'?"
    listed = ", ".join(known) if known else "none"
    return f"{UNKNOWN_OPTION}; there are: {listed}"


def describe(value: Any) -> str:
    """Return a value with its TOML type in words."""
    if isinstance(value, bool):
        return f"the boolean {show(value)}"
    if isinstance(value, str):
        return f"the string {show(value)}"
    if isinstance(value, int | float):
        return f"the number {show(value)}"
    if isinstance(value, datetime.date | datetime.time):
        return f"the {'date' if isinstance(value, datetime.date) else 'time'} {value}"
    return f"the table {show(value)}" if isinstance(value, dict) else f"the list {show(value)}"


def show(value: Any) -> str:
    """Return a value as it would be written in TOML.

    Raises:
        TypeError: TOML has no such type.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int) and value.bit_length() > 64:
        return f"of {value.bit_length()} bits"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(show(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{show_key(k)} = {show(v)}" for k, v in value.items()) + " }"
    raise TypeError(f"TOML has no {type(value).__name__}")


def show_key(key: str) -> str:
    """Return a key, quoted where TOML wants it quoted."""
    bare = key.isascii() and key.replace("_", "a").replace("-", "a").isalnum()
    return key if bare else show(key)
