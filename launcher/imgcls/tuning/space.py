"""What a search chooses from: parameters, each a key of the recipe and the values that it may have."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from imgcls.recipe.layers import Table, key_parts, long_path, names_component, override_tree
from imgcls.recipe.tables import show

Condition = tuple[str, tuple[Any, ...]]  # another parameter's key, and the values of it that are meant


@dataclass(frozen=True)
class Uniform:
    """Numbers between two, both included.

    Attributes:
        low, high: the ends.
        step: only whole multiples of it above ``low``; None: all numbers.
    """

    low: float
    high: float
    step: float | None = None

    @property
    def tried(self) -> tuple[float, ...]:
        """The values that stand for all when a space is checked."""
        return self.low, self.high

    @property
    def grid(self) -> tuple[float, ...] | None:
        """All values in order; None where there is no end of them."""
        if self.step is None:
            return None
        steps = round((self.high - self.low) / self.step)
        # the last one is the end itself, whatever the sum of the steps is rounded to
        return *(self.low + i * self.step for i in range(steps)), self.high

    @property
    def table(self) -> Table:
        """The domain as a recipe writes it."""
        step = {} if self.step is None else {"step": self.step}
        return {"uniform": [self.low, self.high], **step}


@dataclass(frozen=True)
class LogUniform:
    """Numbers between two above 0, both included, as many in each power of ten.

    Attributes:
        low, high: the ends.
    """

    low: float
    high: float

    @property
    def tried(self) -> tuple[float, ...]:
        """The values that stand for all when a space is checked."""
        return self.low, self.high

    @property
    def grid(self) -> None:
        """None: there is no end of values."""
        return

    @property
    def table(self) -> Table:
        """The domain as a recipe writes it."""
        return {"log_uniform": [self.low, self.high]}


@dataclass(frozen=True)
class Randint:
    """Whole numbers between two, both included.

    Attributes:
        low, high: the ends.
        step: only whole multiples of it above ``low``.
        log: as many in each power of ten; then ``step`` is 1.
    """

    low: int
    high: int
    step: int = 1
    log: bool = False

    @property
    def tried(self) -> tuple[int, ...]:
        """The values that stand for all when a space is checked; the second finds options of a few numbers."""
        return tuple(dict.fromkeys((self.low, min(self.low + self.step, self.high), self.high)))

    @property
    def grid(self) -> tuple[int, ...]:
        """All values in order."""
        return tuple(range(self.low, self.high + 1, self.step))

    @property
    def table(self) -> Table:
        """The domain as a recipe writes it."""
        if self.log:
            return {"log_randint": [self.low, self.high]}
        step = {} if self.step == 1 else {"step": self.step}
        return {"randint": [self.low, self.high], **step}


@dataclass(frozen=True)
class Choice:
    """Some values without an order.

    Attributes:
        values: scalars, lists or tables, as TOML has them.
    """

    values: tuple[Any, ...]

    @property
    def tried(self) -> tuple[Any, ...]:
        """The values that stand for all when a space is checked: each."""
        return self.values

    @property
    def grid(self) -> tuple[Any, ...]:
        """All values, in the order written."""
        return self.values

    @property
    def table(self) -> Table:
        """The domain as a recipe writes it."""
        return {"choice": list(self.values)}


Domain = Uniform | LogUniform | Randint | Choice


@dataclass(frozen=True)
class Parameter:
    """One thing that is searched.

    Attributes:
        key: of the recipe, as it is written in the space: dotted, as ``--set`` takes it.
        domain: the values that it may have.
        when: it is there only if each of these other parameters is there and has one of these values.
    """

    key: str
    domain: Domain
    when: tuple[Condition, ...] = ()

    @cached_property
    def place(self) -> tuple[str, ...]:
        """The parts of the key, spelt out: ``model`` with names for values is ``model.name``."""
        values = self.domain.tried
        # of several ways to say it, the one that says most counts
        return long_path(key_parts(self.key), next((v for v in values if not isinstance(v, str)), values[0]))

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Return whether the parameter is there, given the values of those that it depends on."""
        return all(key in values and any(same(values[key], one) for one in allowed) for key, allowed in self.when)


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same to TOML: ``true`` is not 1, and 1 is not 1.0."""
    first, second = (json.dumps(value, sort_keys=True, default=repr) for value in (one, other))
    return first == second


def active(parameters: Sequence[Parameter], values: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Return the parameters that are there, given the values of those that others depend on.

    Args:
        parameters: in the order of a recipe's space: none before one that it depends on.
        values: key -> value; of what turns out not to be there they do not count.
    """
    there: dict[str, Any] = {}
    found = []
    for parameter in parameters:
        if parameter.holds(there):
            found.append(parameter)
            if parameter.key in values:
                there[parameter.key] = values[parameter.key]
    return tuple(found)


def label(key: str, value: Any) -> str:
    """Return what a message says of a value that a search laid over a recipe: on one line."""
    return f"tune: {key} = {show(value)}"


def overrides_of(values: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """Return what lays values over a recipe, as ``recipe.read`` takes ``flags``.

    What names a component comes first: another name drops the options of the one before.

    Args:
        values: dotted key -> value.
    """
    ordered = sorted(values.items(), key=lambda pair: not names_component(key_parts(pair[0])))
    return [(label(key, value), override_tree(key_parts(key), value)) for key, value in ordered]


def domain_json(parameter: Parameter) -> Table:
    """Return a parameter's domain and conditions as a recipe writes them; ``parse`` takes it back."""
    table = parameter.domain.table
    if not parameter.when:
        return table
    when = {key: allowed[0] if len(allowed) == 1 else list(allowed) for key, allowed in parameter.when}
    return {**table, "when": when}


def written(parameter: Parameter) -> Any:
    """Return a parameter's domain and conditions in the shortest form that a recipe has for them."""
    table = domain_json(parameter)
    return table["choice"] if table.keys() == {"choice"} else table
