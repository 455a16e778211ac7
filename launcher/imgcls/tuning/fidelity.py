"""What a rung's shorter run has less of: epochs, samples or pixels.

A rung is a run of its own from the first step to the last. Its learning-rate schedule is stretched to its length:
at its end the rate is where it is at the end of the whole run, so that rungs say something about each other. A run
that is cut off within a cosine is judged while its rate is still high.
"""

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from imgcls.plan import resolve_format
from imgcls.tuning.study import Rung

if TYPE_CHECKING:
    from imgcls.recipe import Recipe
    from imgcls.recipe.schema import Tune

# what looks at trials while they run, not at rungs
_CONTINUOUS = ("none", "median", "pbt")
_PIXELS = 32, 4  # sizes are whole multiples of so many pixels: large ones, small ones
_LARGE = 96  # pixels


def rungs(recipe: "Recipe", tune: "Tune") -> tuple[Rung, ...]:
    """Return the rungs of a search, the shortest first; one where trials are looked at at every evaluation.

    Rungs that would have the same run are one: 5 epochs make no more than 5 rungs.
    """
    if tune.scheduler in _CONTINUOUS:
        return (Rung(recipe.train.epochs, 1.0, f"{recipe.train.epochs} epochs"),)
    found: list[Rung] = []
    for number in range(tune.rungs):
        share = float(tune.reduction) ** (number + 1 - tune.rungs)
        about = _about(recipe, tune.fidelity, share)
        if found and found[-1].about == about:
            found.pop()
        found.append(Rung(tune.reduction ** len(found), share, about))
    return tuple(found)


def _about(recipe: "Recipe", fidelity: str, share: float) -> str:
    if fidelity == "epochs":
        epochs = _epochs(recipe, share)
        return f"{epochs} epoch{'s' if epochs > 1 else ''}"
    if fidelity == "samples":
        return f"{100 * share:.3g} % of the samples"
    size = _size(recipe, share)
    return f"{size}x{size} pixels"


def values_at(recipe: "Recipe", fidelity: str, share: float) -> dict[str, Any]:
    """Return what a trial's run of a share has laid over its recipe: dotted key -> value.

    Args:
        recipe: the trial's, of a whole run.
        fidelity: epochs, samples or size.
        share: of the whole run; pixels are so many in all, so that a side has the root of it.
    """
    if share == 1:
        return {}
    if fidelity == "size":
        return {**_looks(recipe, recipe.train.epochs), **_smaller(recipe, share)}
    if fidelity == "samples":
        values = {"data.fraction": share * recipe.fraction}
        return {**values, **_looks(recipe, recipe.train.epochs), **_lengths(recipe, 1, share)}
    epochs = _epochs(recipe, share)
    ratio = epochs / recipe.train.epochs
    values = {"train.epochs": epochs}
    return {**values, **_looks(recipe, epochs), **_lengths(recipe, ratio, ratio), **_growth(recipe, ratio)}


def _epochs(recipe: "Recipe", share: float) -> int:
    return max(1, round(recipe.train.epochs * share))


def _size(recipe: "Recipe", share: float) -> int:
    whole: int = resolve_format(recipe).training.size
    side = whole * math.sqrt(share)
    each = _PIXELS[0] if side >= _LARGE else _PIXELS[1]
    return min(whole, max(each, round(side / each) * each))


def _smaller(recipe: "Recipe", share: float) -> dict[str, Any]:
    """Return the values of images with a share of the pixels; those that grow begin as much smaller."""
    size = _size(recipe, share)
    values = {"input.train_size": size}
    growing = recipe.progressive
    if growing.size is None:
        return values
    begin = max(1, growing.size * size // resolve_format(recipe).training.size)
    return {**values, "progressive.size": begin // growing.multiple * growing.multiple or begin}


def _looks(recipe: "Recipe", epochs: int) -> dict[str, Any]:
    """Return when a run of so many epochs is evaluated: at its end, or in proportion where more depends on it."""
    counted = recipe.schedule.found.component.facts.get("evaluations", ())
    patience = recipe.train.patience
    if patience is None and not counted:
        return {"train.evaluate_every": epochs}
    ratio, every = epochs / recipe.train.epochs, recipe.train.evaluate_every
    values: dict[str, Any] = {"train.evaluate_every": max(1, round(every * ratio))}
    fewer = ratio * every / values["train.evaluate_every"]  # evaluations: so many for each of the whole run's
    if patience is not None:
        values["train.patience"] = _times(patience, fewer)
    return values | {f"schedule.{n}": _times(getattr(recipe.schedule.options, n), fewer) for n in counted}


def _lengths(recipe: "Recipe", epochs: float, steps: float) -> dict[str, Any]:
    """Return the schedule's lengths, times one ratio what is counted in epochs, times another what is in steps."""
    schedule = recipe.schedule
    named = schedule.found.component.facts.get("lengths", ())
    unit = getattr(schedule.options, "unit", "epochs")
    values: dict[str, Any] = {}
    for name in (field.name for field in fields(schedule.options)):
        value = getattr(schedule.options, name)
        if name.endswith("steps") or (name in named and unit == "steps"):
            values[f"schedule.{name}"] = _updates(value, steps)
        elif name.endswith("epochs") or name in named:
            values[f"schedule.{name}"] = _times(value, epochs)
    return values


def _growth(recipe: "Recipe", ratio: float) -> dict[str, Any]:
    """Return when images grow in a shorter run."""
    growing = recipe.progressive
    if growing.size is None:
        return {}
    begin = int(growing.begin * ratio)
    ends = {} if growing.end is None else {"progressive.end": max(begin + 1, round(growing.end * ratio))}
    return {"progressive.begin": begin, **ends}


def _updates(value: Any, ratio: float) -> Any:
    """Return a length in updates in proportion, or a rising list of whole ones, which rise still."""
    if not isinstance(value, tuple | list):
        return _times(value, ratio)
    found: list[float] = []
    for each in value:
        found.append(float(max(round(each * ratio), found[-1] + 1 if found else 0)))
    return found


def _times(value: Any, ratio: float) -> Any:
    """Return a length, or a list of them, in proportion; whole numbers stay whole, and stay above 0."""
    if isinstance(value, tuple | list):
        return [_times(each, ratio) for each in value]
    if isinstance(value, bool) or not isinstance(value, int | float) or value == 0:
        return value
    return max(1, round(value * ratio)) if isinstance(value, int) else value * ratio
