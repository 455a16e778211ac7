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
    epochs = _epochs(recipe, share) if fidelity == "epochs" else recipe.train.epochs
    # only the end is looked at
    values: dict[str, Any] = {"train.evaluate_every": epochs} if recipe.train.patience is None else {}
    if fidelity == "epochs":
        return {**values, **_stretched(recipe, epochs)}
    if fidelity == "samples":
        return {**values, "data.fraction": share * recipe.fraction}
    return {**values, "input.train_size": _size(recipe, share)}


def _epochs(recipe: "Recipe", share: float) -> int:
    return max(1, round(recipe.train.epochs * share))


def _size(recipe: "Recipe", share: float) -> int:
    whole: int = resolve_format(recipe).training.size
    side = whole * math.sqrt(share)
    each = _PIXELS[0] if side >= _LARGE else _PIXELS[1]
    return min(whole, max(each, round(side / each) * each))


def _stretched(recipe: "Recipe", epochs: int) -> dict[str, Any]:
    """Return the values of so many epochs, with all that is counted in epochs in proportion."""
    ratio = epochs / recipe.train.epochs
    values: dict[str, Any] = {"train.epochs": epochs}
    schedule = recipe.schedule
    lengths = schedule.found.component.facts.get("lengths", ())
    for name in (field.name for field in fields(schedule.options)):
        value = getattr(schedule.options, name)
        counted = name in lengths and getattr(schedule.options, "unit", "epochs") == "epochs"
        if name.endswith("epochs") or counted:
            values[f"schedule.{name}"] = _times(value, ratio)
    growing = recipe.progressive
    if growing.size is not None:
        values["progressive.begin"] = int(growing.begin * ratio)
        if growing.end is not None:
            values["progressive.end"] = max(int(growing.begin * ratio) + 1, round(growing.end * ratio))
    return values


def _times(value: Any, ratio: float) -> Any:
    """Return a length, or a list of them, in proportion; whole numbers stay whole, and stay above 0."""
    if isinstance(value, tuple | list):
        return [_times(each, ratio) for each in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return max(1, round(value * ratio)) if isinstance(value, int) and value else value * ratio
