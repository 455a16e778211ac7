"""What a recipe's [tune] says: the space, as written, and whether the recipe can have all of its values."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from imgcls.recipe.layers import LISTS, Table, names_component, position
from imgcls.recipe.locate import KeyPath
from imgcls.recipe.problems import Problem
from imgcls.recipe.schema import Tune
from imgcls.recipe.settings import Tried, naming, tried
from imgcls.recipe.tables import UNKNOWN_OPTION, show
from imgcls.tuning.parse import parse
from imgcls.tuning.space import Choice, LogUniform, Parameter, label

# what the shapes or the steps of a checkpoint depend on
_STEADY_TABLES = ("model", "input", "distill", "progressive", "sampling")
_STEADY = (
    "train.epochs",
    "train.batch_size",
    "train.last_batch",
    "train.ema",
    "train.freeze",
    "train.parallel",
    "optimizer.name",
)

Complain = Callable[[KeyPath, str], None]
Attempt = Callable[[Mapping[str, Any]], Sequence[Problem]]


def space(table: Table, tune: Tune | None, complain: Complain) -> tuple[Parameter, ...]:
    """Return the parameters of ``tune.space``, none before one that it depends on.

    Args:
        table: key -> domain.
        tune: the table around it; None where that has problems of its own.
        complain: called with the key within the table, and what is wrong with it.
    """
    parameters = parse(table, complain)
    if tune is None:
        return parameters
    for parameter in parameters:
        if (text := _conflict(parameter, tune)) is not None:
            complain((parameter.key,), text)
    return parameters


def _conflict(parameter: Parameter, tune: Tune) -> str | None:
    """Return what of a parameter does not go with how is searched; None where it does."""
    if tune.search == "grid" and parameter.domain.grid is None:
        way = "write a list of values" if isinstance(parameter.domain, LogUniform) else "give it a step"
        return f'search = "grid" tries all values, and here is no end of them; {way}'
    if tune.scheduler != "pbt":
        return None
    if parameter.when:
        text = "changes values while trials train, so that each is there all the time"
        return f'scheduler = "pbt" {text}; leave `when` out, or set another scheduler'
    if names_component(parameter.place) and parameter.place[0] in ("model", "distill"):
        return (
            'scheduler = "pbt" hands weights from trial to trial, which fit no other model; set another scheduler'
        )
    if parameter.place[0] in _STEADY_TABLES or ".".join(parameter.place) in _STEADY:
        what = "hands checkpoints from trial to trial, whose steps and tensors must stay what they are"
        return f'scheduler = "pbt" {what}; leave this out, or set another scheduler'
    return None


def items_twice(parameters: Sequence[Parameter], tree: Table) -> Iterator[tuple[str, str]]:
    """Yield the keys by an item's name of which another key by its number takes the sense, and why.

    Args:
        parameters: of a recipe.
        tree: the recipe's.
    """
    places = {_numbered(parameter.place, tree): parameter.key for parameter in reversed(parameters)}
    for parameter in parameters:
        place = _numbered(parameter.place, tree)
        if places[place] != parameter.key:
            yield parameter.key, f"{show(places[place])} sets it, too; leave one of the two out"
        elif place != parameter.place and (name := places.get((*place[:2], "name"))) is not None:
            text = f"the name of that item is searched; write {show('.'.join(place))}, as in {show(name)}"
            yield parameter.key, text


def _numbered(place: tuple[str, ...], tree: Table) -> tuple[str, ...]:
    items = tree.get(place[0]) if place[0] in LISTS else None
    index = position(items, place[1]) if isinstance(items, list) and len(place) > 1 else None
    return place if index is None else (place[0], str(index), *place[2:])


def faults(parameters: Sequence[Parameter], attempt: Attempt) -> Iterator[tuple[str, str]]:
    """Yield what of a space the recipe cannot have: the entry's key, and what is wrong with it.

    The ends of every range and all choices are laid over the recipe, for each component that they can meet.

    Args:
        parameters: none before one that it depends on.
        attempt: returns the problems of the recipe with values laid over it: key -> value.
    """
    known = set(attempt({})) if parameters else set()
    told: set[tuple[str, str, str]] = set()
    elsewhere: dict[tuple[str, str, str], str] = {}
    for parameter in parameters:
        found: dict[tuple[str, str], list[Tried]] = {}
        met = []
        for one in tried(parameter, parameters):
            problems = _problems(one, parameter, attempt, known)
            # what goes with a component that there is not cannot be said
            if all(owner not in one.setting for owner, _ in problems):
                met.append(one)
            for owner, problem in problems:
                if owner == parameter.key:
                    found.setdefault((problem.key, problem.text), []).append(one)
                else:
                    text = f"with {parameter.key} = {show(one.value)}: {problem.text}"
                    elsewhere.setdefault((owner, problem.key, problem.text), text)
        told |= {(parameter.key, *which) for which in found}
        yield from ((parameter.key, text) for text in _texts(parameter, naming(parameter, parameters), met, found))
    yield from ((which[0], text) for which, text in elsewhere.items() if which not in told)


def _problems(
    one: Tried, parameter: Parameter, attempt: Attempt, known: set[Problem]
) -> list[tuple[str, Problem]]:
    """Return what is wrong with a recipe that values are laid over, each with the key of the entry it is from."""
    owners = {label(key, value): key for key, value in one.laid.items()}
    new = [problem for problem in attempt(one.laid) if problem not in known]
    return [(owners.get(problem.where, parameter.key), problem) for problem in new]


def _texts(
    parameter: Parameter,
    name: Parameter | None,
    met: Sequence[Tried],
    found: Mapping[tuple[str, str], Sequence[Tried]],
) -> Iterator[str]:
    lacking = [hit for (key, text), hits in found.items() if _is_lack(parameter, key, text) for hit in hits]
    split = _split(name.key, met, lacking) if name is not None else None
    if name is not None and split is not None:
        yield _to_condition(parameter, name.key, *split)
    for (key, text), hits in found.items():
        if split is not None and _is_lack(parameter, key, text):
            continue
        own = key.rpartition(".")[2] in ("", parameter.place[-1])
        what = text.removesuffix(f", got {show(hits[0].value)}") if own else f"{key}: {text}"
        which = _which(parameter, met, hits, len(hits) > 1 or text.startswith(UNKNOWN_OPTION))
        yield ": ".join(part for part in (which, what) if part)


def _is_lack(parameter: Parameter, key: str, text: str) -> bool:
    return text.startswith(UNKNOWN_OPTION) and key.rpartition(".")[2] == parameter.place[-1]


def _split(key: str, met: Sequence[Tried], lacking: Sequence[Tried]) -> tuple[list[Any], list[Any]] | None:
    """Return the names of components that lack an option, and of those that have it; None without both."""
    lack = list(dict.fromkeys(one.setting[key] for one in lacking if key in one.setting))
    have = list(dict.fromkeys(t.setting[key] for t in met if key in t.setting and t.setting[key] not in lack))
    return (lack, have) if lack and have else None


def _to_condition(parameter: Parameter, key: str, lack: Sequence[Any], have: Sequence[Any]) -> str:
    when = {**dict(parameter.when), key: tuple(have)}
    written = {other: values[0] if len(values) == 1 else list(values) for other, values in when.items()}
    return f"{', '.join(lack)} {'have' if len(lack) > 1 else 'has'} no such option; write when = {show(written)}"


def _which(parameter: Parameter, met: Sequence[Tried], hits: Sequence[Tried], everywhere: bool) -> str:
    """Return which value of a parameter is meant, and in what setting; nothing of what holds for all."""
    settings = [hit.setting for hit in hits]
    alike = [one for one in met if one.setting in settings]
    words = [] if everywhere and len(hits) == len(alike) else [_words(parameter, hits[0].value)]
    if len(alike) < len(met) and hits[0].setting:
        pairs = ", ".join(f"{key} = {show(value)}" for key, value in hits[0].setting.items())
        words.append(f"with {pairs}")
    return " ".join(words)


def _words(parameter: Parameter, value: Any) -> str:
    domain = parameter.domain
    if isinstance(domain, Choice):
        return f"the choice {show(value)}"
    if value in (domain.low, domain.high):
        return f"the {'lower' if value == domain.low else 'upper'} end {show(value)}"
    return f"the value {show(value)}"
