"""``when`` of a space's entries: which parameter is there only if another has some value."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from imgcls.recipe.layers import Table, key_parts, long_path
from imgcls.recipe.locate import KeyPath
from imgcls.recipe.tables import describe, show
from imgcls.tuning.space import Choice, Condition, LogUniform, Parameter, Uniform, same

Complain = Callable[[KeyPath, str], None]


def with_conditions(found: Sequence[Parameter], table: Table, complain: Complain) -> list[Parameter]:
    """Return parameters with the conditions that a space's table gives them.

    Args:
        found: the parameters of the entries that are in order.
        table: key -> domain, as a recipe writes it.
        complain: called with the key within the table, and what is wrong with it.
    """
    whens = {key: value["when"] for key, value in table.items() if isinstance(value, dict) and "when" in value}
    return [
        replace(p, when=_conditions(p.key, whens[p.key], found, table, complain)) if p.key in whens else p
        for p in found
    ]


def _conditions(
    key: str, when: Any, found: Sequence[Parameter], table: Table, complain: Complain
) -> tuple[Condition, ...]:
    if not isinstance(when, dict) or not when:
        got = "an empty table" if when == {} else describe(when)
        complain((key, "when"), f'expected a table such as {{ "optimizer.name" = "sgd" }}, got {got}')
        return ()
    conditions = []
    for other_key, allowed in when.items():
        path = (key, "when", other_key)
        other = _named(other_key, found)
        if other is not None:
            values = _allowed(path, other, allowed, complain)
            conditions += [(other.key, values)] if values else []
        elif other_key not in table:  # what is wrong with an entry has been said there
            near = difflib.get_close_matches(other_key, table, n=1)
            hint = f"did you mean {show(near[0])}?" if near else f"it has {', '.join(show(k) for k in table)}"
            complain(path, f"is not in the space; {hint}")
    return tuple(conditions)


def _named(key: str, found: Sequence[Parameter]) -> Parameter | None:
    try:
        parts = key_parts(key)
    except ValueError:
        return None
    forms = {parts, long_path(parts, "")}
    return next((p for p in found if not forms.isdisjoint((key_parts(p.key), p.place))), None)


def _allowed(path: KeyPath, other: Parameter, allowed: Any, complain: Complain) -> tuple[Any, ...]:
    domain = other.domain
    if isinstance(domain, Uniform | LogUniform):
        complain(path, "is a range of fractions, of which hardly any comes up; a condition needs a choice")
        return ()
    values = allowed if isinstance(allowed, list) else [allowed]
    strange = [value for value in values if not any(same(value, one) for one in domain.grid)]
    if strange or not values:
        there = (
            ", ".join(show(value) for value in domain.grid)
            if isinstance(domain, Choice)
            else f"{domain.low} to {domain.high}" + (f" by {domain.step}" if domain.step > 1 else "")
        )
        what = f"{show(strange[0])} is not one of its values" if strange else "names no value; it has"
        complain(path, f"{what}: {there}")
        return ()
    return tuple(values)


def in_order(parameters: Sequence[Parameter], complain: Complain) -> tuple[Parameter, ...]:
    """Return parameters with none before one that it depends on, else in the order written.

    Args:
        parameters: with their conditions.
        complain: called for one parameter of each circle; what hangs on a circle is left out.
    """
    ordered: list[Parameter] = []
    waiting = list(parameters)
    while waiting:
        placed = {parameter.key for parameter in ordered}
        ready = next((p for p in waiting if all(key in placed for key, _ in p.when)), None)
        if ready is None:
            _refuse_circles(waiting, complain)
            break
        ordered.append(ready)
        waiting.remove(ready)
    return tuple(ordered)


def _refuse_circles(waiting: Sequence[Parameter], complain: Complain) -> None:
    by_key = {parameter.key: parameter for parameter in waiting}
    told: set[str] = set()
    for parameter in waiting:
        way = [parameter.key]
        while way[-1] not in way[:-1]:
            way.append(next(key for key, _ in by_key[way[-1]].when if key in by_key))
        circle = way[way.index(way[-1]) :]
        if told.isdisjoint(circle):
            complain((circle[0], "when"), f"depends on itself: {' when '.join(show(key) for key in circle)}")
        told.update(circle)
