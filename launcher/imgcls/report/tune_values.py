"""How a search's values and results are written where there is little room."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from imgcls.tuning.study import Asked, Report

_LONGEST = 24  # characters of a value


def short(value: Any) -> str:
    """Return a value in a few characters: 4 significant digits of a number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value) if isinstance(value, int | str) else json.dumps(value, separators=(",", ":"))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def labels(keys: Iterable[str]) -> dict[str, str]:
    """Return key -> its shortest end that no other key has: ``lr`` for ``optimizer.lr``.

    A component's name goes by what it is the name of, as in a recipe: ``model`` for ``model.name``.
    """
    parts = {key: key.removesuffix(".name").split(".") for key in keys}
    found = {}
    for key, own in parts.items():
        others = [other for name, other in parts.items() if name != key]
        ends = (length for length in range(1, len(own)) if all(own[-length:] != o[-length:] for o in others))
        found[key] = ".".join(own[-next(ends, len(own)) :])
    # "model" beside "model.name" is one text for two keys
    return found if len(set(found.values())) == len(found) else {key: key for key in parts}


def worded(values: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return values in one line: ``lr 0.1, model resnet18``."""
    return ", ".join(f"{name} {short(values[key])}" for key, name in names.items() if key in values)


def searched(asked: Asked, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a trial's values that are of the space, in its order; all where nothing is searched."""
    return {key: values[key] for key in asked.space or values if key in values}


def scored(figure: str, value: float) -> str:
    """Return a figure of an evaluation: percent with two decimals, a loss with four."""
    return f"{value:.4f}" if figure == "loss" else f"{value:.2f}"


def score(asked: Asked, report: Report) -> float:
    """Return what of a report is looked at."""
    return float(getattr(report, asked.figure))


def reached(asked: Asked, report: Report | None) -> str:
    """Return how far a trial came: its rung, or its epoch of how many; nothing for one without a report."""
    if report is None:
        return ""
    if not asked.by_rungs:
        return f"epoch {report.time}/{asked.rungs[-1].time}" if asked.rungs else f"epoch {report.time}"
    for number, rung in enumerate(asked.rungs, 1):
        if rung.time == report.time:
            return f"rung {number}/{len(asked.rungs)} ({rung.about})"
    return f"{report.epoch} epochs"


def span(seconds: float) -> str:
    """Return a time as minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
