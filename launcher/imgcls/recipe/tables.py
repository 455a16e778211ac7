"""One TOML table against one options class: typed values, or every problem there is."""

import difflib
import json
from dataclasses import MISSING, asdict, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from imgcls.recipe.locate import KeyPath

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
    try:
        text = json.dumps(merged, default=str)  # TOML's dates and times; no option takes one
        return TypeAdapter(cls).validate_json(text, strict=True), []
    except ValidationError as error:
        faults: dict[KeyPath, str] = {}
        for detail in error.errors(include_url=False):
            path, text = _explain(detail, cls)
            faults.setdefault(path, text)
        return None, list(faults.items())


def unset_fields(table: dict[str, Any], cls: type) -> list[str]:
    """Return the names of the fields that a table leaves to their default."""
    return [field.name for field in fields(cls) if field.name not in table and _has_default(field)]


def _has_default(field: Any) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _explain(detail: Any, cls: type) -> Fault:
    path: KeyPath = tuple(detail["loc"])
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return path, unknown_option(str(path[-1]), [field.name for field in fields(cls)])
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


def unknown_option(name: str, known: list[str]) -> str:
    """Return the message for a key that is not there, with the nearest that is."""
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"unknown option; did you mean '{near[0]}'?"
    listed = ", ".join(known) if known else "none"
    return f"unknown option; there are: {listed}"


def describe(value: Any) -> str:
    """Return a value with its TOML type in words."""
    if isinstance(value, bool):
        return f"the boolean {show(value)}"
    if isinstance(value, str):
        return f"the string {show(value)}"
    if isinstance(value, int | float):
        return f"the number {show(value)}"
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
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(show(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{show_key(k)} = {show(v)}" for k, v in value.items()) + " }"
    raise TypeError(f"TOML has no {type(value).__name__}")


def show_key(key: str) -> str:
    """Return a key, quoted where TOML wants it quoted."""
    bare = key.isascii() and key.replace("_", "a").replace("-", "a").isalnum()
    return key if bare else show(key)
