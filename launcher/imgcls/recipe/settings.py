"""Which values of a space are laid over a recipe, and with what, to see whether it can have them all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from imgcls.recipe.tables import show
from imgcls.tuning.space import Choice, Parameter


@dataclass(frozen=True)
class Tried:
    """A value of a parameter in one setting of those that it may depend on, and all that is laid for it."""

    value: Any
    setting: Mapping[str, Any]
    laid: Mapping[str, Any]


def tried(parameter: Parameter, parameters: Sequence[Parameter]) -> Iterator[Tried]:
    """Yield the ends or choices of a parameter, for each component and condition that they can meet.

    Args:
        parameter: one of the space.
        parameters: the space, none before one that it depends on.
    """
    others = _others(parameter, parameters)
    tables = {other.place[:-1] for other in (parameter, *others)}
    seen: set[str] = set()
    for values in product(*(_met(other, parameters) for other in others)):
        chosen = dict(zip((other.key for other in others), values, strict=True))
        for value in parameter.domain.tried:
            laid = _laid({**chosen, parameter.key: value}, tables, parameters)
            setting = {key: laid[key] for key in chosen if key in laid}
            # as text: to Python, true is 1
            which = show({**setting, parameter.key: value})
            if parameter.key in laid and which not in seen:
                seen.add(which)
                yield Tried(value, setting, laid)


def _others(parameter: Parameter, parameters: Sequence[Parameter]) -> list[Parameter]:
    """Return the parameters that say whether another is there, or which component it is an option of."""
    found: set[str] = set()
    waiting = [parameter]
    while waiting:
        one = waiting.pop()
        name = naming(one, parameters)
        keys = {key for key, _ in one.when} | ({name.key} if name is not None else set())
        waiting += [p for p in parameters if p.key in keys - found]
        found |= keys
    return [p for p in parameters if p.key in found and p is not parameter]


def naming(parameter: Parameter, parameters: Sequence[Parameter]) -> Parameter | None:
    """Return the parameter that names the component of which another is an option; None where none does."""
    above = {(*parameter.place[:end], "name") for end in range(1, len(parameter.place))} - {parameter.place}
    return next((p for p in parameters if p.place in above), None)


def _met(other: Parameter, parameters: Sequence[Parameter]) -> tuple[Any, ...]:
    """Return the values of a parameter that make a difference to those that depend on it."""
    if isinstance(other.domain, Choice):
        return other.domain.values
    asked = [value for p in parameters for key, allowed in p.when if key == other.key for value in allowed]
    return tuple(dict.fromkeys([*asked, *other.domain.tried]))


def _laid(
    chosen: Mapping[str, Any], tables: set[tuple[str, ...]], parameters: Sequence[Parameter]
) -> dict[str, Any]:
    """Return what is laid for a choice: with it the rest of the same tables, which may lack what is searched."""
    laid: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.holds(laid) and (parameter.key in chosen or parameter.place[:-1] in tables):
            laid[parameter.key] = chosen.get(parameter.key, parameter.domain.tried[0])
    return laid
