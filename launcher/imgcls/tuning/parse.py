"""The table ``tune.space`` of a recipe -> parameters, or all that is wrong with it."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from imgcls.recipe.layers import LISTS, Table, key_parts
from imgcls.recipe.locate import KeyPath
from imgcls.recipe.tables import describe, show, unknown_option
from imgcls.tuning.conditions import in_order, with_conditions
from imgcls.tuning.space import Choice, Domain, LogUniform, Parameter, Randint, Uniform, same

Complain = Callable[[KeyPath, str], None]

_KINDS = ("uniform", "log_uniform", "randint", "log_randint", "choice")
_FORM = f"a list of values, or a table with one of {', '.join(_KINDS)}"
_CARRIED_OUT = "it changes how a run is carried out, not what it reaches"
_REFUSED = {
    "tune": "a search does not search itself",
    "workers": _CARRIED_OUT,
    "loading": _CARRIED_OUT,
    "checkpoint": _CARRIED_OUT,
    "track": "it says where figures go, not what is trained",
    "expect": "it is what the recipe reaches, and changes nothing",
    "about": "it is a text, and changes nothing",
    "extends": "it is read before anything is laid over the recipe",
    "seed": "the best of several seeds is luck, and what is found is to hold for any",
    "data": "trials on other data, or judged by other data, cannot be compared",
}


def parse(table: Table, complain: Complain) -> tuple[Parameter, ...]:
    """Return the parameters of a space, none before one that it depends on.

    Args:
        table: key -> domain, as a recipe writes it.
        complain: called with the key within the table, and what is wrong with it.
    """
    found = []
    for key, value in table.items():
        if _can_be_searched(key, complain):
            domain = _domain(key, value, complain)
            if domain is not None:
                found.append(Parameter(key, domain))
    _refuse_twice(found, complain)
    return in_order(with_conditions(found, table, complain), complain)


def _can_be_searched(key: str, complain: Complain) -> bool:
    try:
        parts = key_parts(key)
    except ValueError as error:
        complain((key,), str(error))
        return False
    if parts[0] in _REFUSED:
        complain((key,), f"cannot be searched: {_REFUSED[parts[0]]}")
        return False
    if parts[0] in LISTS and len(parts) == 3 and parts[2] == "name" and not parts[1].isdigit():
        complain((key,), f"its own name is in the key; write its position, as in {parts[0]}.0.name")
        return False
    return True


def _refuse_twice(found: Sequence[Parameter], complain: Complain) -> None:
    for index, parameter in enumerate(found):
        for other in found[:index]:
            short = min(len(parameter.place), len(other.place))
            if parameter.place[:short] == other.place[:short]:
                complain((parameter.key,), f"{show(other.key)} sets it, too; leave one of the two out")


def _domain(key: str, value: Any, complain: Complain) -> Domain | None:
    if isinstance(value, list):
        return _choice((key,), value, complain)
    if not isinstance(value, dict):
        complain((key,), f"expected {_FORM}, got {describe(value)}")
        return None
    kinds = [kind for kind in _KINDS if kind in value]
    if len(kinds) != 1:
        text = f"{' and '.join(kinds)} are two ranges; write one of them" if kinds else _without_kind(key, value)
        complain((key,), text)
        return None
    (kind,) = kinds
    known = [kind, "when", *(["step"] if kind in ("uniform", "randint") else [])]
    strange = [inner for inner in value if inner not in known]
    for inner in strange:
        text = f"does not go with {kind}" if inner == "step" else unknown_option(inner, known)
        complain((key, inner), text)
    if strange:
        return None
    if kind == "choice":
        return _choice((key, kind), value[kind], complain)
    return _range(key, kind, value, complain)


def _without_kind(key: str, value: Table) -> str:
    inner = next((name for name, below in value.items() if isinstance(below, dict | list)), None)
    if inner is not None and inner != "when":
        return f"expected {_FORM}; quotes make it one key, as in {show(f'{key}.{inner}')}"
    return f"expected {_FORM}, got {describe(value)}"


def _choice(path: KeyPath, values: Any, complain: Complain) -> Choice | None:
    if not isinstance(values, list):
        complain(path, f"expected a list, got {describe(values)}")
        return None
    if not values:
        complain(path, "there is no value to choose")
        return None
    strange = next((value for value in values if not _plain(value)), None)
    if strange is not None:
        complain(path, f"expected strings, booleans, finite numbers, lists or tables, got {describe(strange)}")
        return None
    twice = next((v for i, v in enumerate(values) if any(same(v, other) for other in values[:i])), None)
    if twice is not None:
        complain(path, f"{show(twice)} is there twice")
        return None
    return Choice(tuple(values))


def _plain(value: Any) -> bool:
    """Return whether a value is one of JSON's, too."""
    if isinstance(value, list | dict):
        return all(_plain(inner) for inner in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) or _is_number(value) or isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value.bit_length() < 64 if isinstance(value, int) else math.isfinite(value)


def _range(key: str, kind: str, table: Table, complain: Complain) -> Domain | None:
    ends, whole, log = table[kind], kind.endswith("randint"), kind.startswith("log_")
    good = isinstance(ends, list) and len(ends) == 2 and all(_is_number(end) for end in ends)
    if not good or (whole and not all(isinstance(end, int) for end in ends)):
        numbers = "whole numbers" if whole else "numbers"
        complain((key, kind), f"expected two {numbers}, [LOWEST, HIGHEST], got {describe(ends)}")
        return None
    low, high = ends
    if not low < high:
        complain((key, kind), f"the lower end {show(low)} is not below the upper end {show(high)}")
        return None
    if log and low <= 0:
        complain((key, kind), f"the lower end {show(low)} has no logarithm; it must be above 0")
        return None
    if "step" in table and not _step_fits((key, "step"), table["step"], (low, high), whole, complain):
        return None
    return _made(kind, low, high, table)


def _made(kind: str, low: Any, high: Any, table: Mapping[str, Any]) -> Domain:
    if kind == "log_uniform":
        return LogUniform(float(low), float(high))
    if kind == "uniform":
        return Uniform(float(low), float(high), float(table["step"]) if "step" in table else None)
    return Randint(low, high, table.get("step", 1), log=kind == "log_randint")


def _step_fits(path: KeyPath, step: Any, ends: tuple[float, float], whole: bool, complain: Complain) -> bool:
    low, high = ends
    if not _is_number(step) or step <= 0 or (whole and not isinstance(step, int)):
        complain(path, f"expected a {'whole ' if whole else ''}number above 0, got {describe(step)}")
        return False
    steps = (high - low) / step
    if round(steps) >= 1 and math.isclose(steps, round(steps), rel_tol=1e-9):
        return True
    fitting = f"; the last step ends at {low + math.floor(steps) * step:.12g}" if steps > 1 else ""
    complain(path, f"{show(step)} does not lead from {show(low)} to {show(high)}{fitting}")
    return False
