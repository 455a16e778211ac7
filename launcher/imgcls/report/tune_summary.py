"""What a search found, as lines to read and as plain data."""

from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from imgcls.report.tune_trials import Confirmations, Confirmed, Shown, Trials
from imgcls.report.tune_values import labels, reached, scored, short, worded
from imgcls.tuning.study import Asked

_STATES = ("finished", "stopped", "begun", "paused", "waiting", "failed")
_FIGURES = ("top1", "top5", "loss")


def lines(trials: Trials, top: int | None = None) -> list[str]:
    """Return the tables of a search.

    Args:
        trials: of it.
        top: how many are listed, the best first; all where it is None.
    """
    shown = trials.rows[:top]
    left = len(trials.rows) - len(shown)
    return [
        headline(trials.asked),
        "",
        *_aligned(table(trials, shown)),
        *([f"and {left} more: give a larger --top"] if left else []),
        "",
        counts(trials),
        *_failures(shown),
        *_best(trials),
        *_confirmed(trials),
    ]


def headline(asked: Asked) -> str:
    """Return what was asked for, in a line."""
    better = "more is better" if asked.mode == "max" else "less is better"
    rungs = f", rungs of {', '.join(rung.about for rung in asked.rungs)}" if asked.by_rungs else ""
    scheduler = "no scheduler" if asked.scheduler == "none" else asked.scheduler
    return f"{asked.recipe}: {asked.metric} ({better}), {asked.search} search, {scheduler}{rungs}"


def counts(trials: Trials) -> str:
    """Return how many trials are in each state."""
    states = [row.state for row in trials.rows]
    found = ", ".join(f"{states.count(state)} {state}" for state in _STATES if state in states)
    return f"{len(states)} of {trials.asked.trials} trials: {found or 'none yet'}"


def table(trials: Trials, rows: Sequence[Shown]) -> list[list[str]]:
    """Return a heading and a row a trial; the best is marked."""
    asked, best = trials.asked, trials.best
    names = labels(asked.space)
    heading = ["trial", *names.values(), *_FIGURES, "reached", "state", "run"]
    return [heading, *(_row(trials, asked, row, names, row is best) for row in rows)]


def _row(trials: Trials, asked: Asked, row: Shown, names: dict[str, str], is_best: bool) -> list[str]:
    values = [short(row.values[key]) if key in row.values else "-" for key in names]
    last = row.last
    figures = ["-" if last is None else scored(figure, getattr(last, figure)) for figure in _FIGURES]
    folder = "-" if row.folder is None else str(row.folder.relative_to(trials.study.path))
    number = f"{row.number} *" if is_best else str(row.number)
    return [number, *values, *figures, reached(asked, last) or "-", row.state, folder]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines, the columns of equal width."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    padded = [[f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)] for row in rows]
    return ["  ".join(row).rstrip() for row in padded]


def _failures(rows: Sequence[Shown]) -> list[str]:
    return [f"trial {row.number} failed: {row.why}" for row in rows if row.state == "failed" and row.why]


def _best(trials: Trials) -> list[str]:
    best, asked = trials.best, trials.asked
    if best is None or best.last is None:
        return ["no trial has a result yet"]
    last = best.last
    result = f"{asked.figure} {scored(asked.figure, getattr(last, asked.figure))} at {reached(asked, last)}"
    recipe = trials.study.best
    use = f"imgcls launch {recipe}" if recipe.is_file() else f"{recipe} is written when the search ends"
    return [f"best: trial {best.number}, {result}: {worded(best.values, labels(asked.space))}", f"      {use}"]


def _confirmed(trials: Trials) -> list[str]:
    found = trials.confirmations
    return [] if found is None else ["", confirmation(found), *_aligned(confirmation_table(trials.asked, found))]


def confirmation(found: Confirmations) -> str:
    """Return what the table of confirmations holds, in a line."""
    seeds = ", ".join(map(str, found.seeds))
    return f"confirmed: {found.metric} of seed{'s' if len(found.seeds) > 1 else ''} {seeds}"


def confirmation_table(asked: Asked, found: Confirmations) -> list[list[str]]:
    """Return a heading and a row for each that was trained with several seeds."""
    figure, names = found.metric.rpartition("/")[2], labels(asked.space)
    heading = ["what", "mean", "spread", "to the recipe", "scores", "values"]
    return [heading, *(_confirmed_row(found, row, figure, names) for row in found.rows)]


def _confirmed_row(found: Confirmations, row: Confirmed, figure: str, names: dict[str, str]) -> list[str]:
    gain, lost = found.gain(row), len(found.seeds) - len(row.scores)
    mean = "-" if row.mean is None else scored(figure, row.mean)
    spread = scored(figure, row.spread) if len(row.scores) > 1 else "-"
    sign = "-" if gain is None else f"{'+' if gain >= 0 else '-'}{scored(figure, abs(gain))}"
    scores = [*(scored(figure, score) for score in row.scores), *([f"{lost} failed"] if lost else [])]
    return [row.name, mean, spread, sign, ", ".join(scores), worded(row.values, names) or "as written"]


def as_data(trials: Trials, top: int | None = None) -> dict[str, Any]:
    """Return the same as :func:`lines` as plain data; a number that is none is null."""
    asked, best, found = trials.asked, trials.best, trials.confirmations
    states = [row.state for row in trials.rows]
    recipe = trials.study.best
    data = {
        "recipe": asked.recipe,
        "metric": asked.metric,
        "mode": asked.mode,
        "search": asked.search,
        "scheduler": asked.scheduler,
        "asked_trials": asked.trials,
        "states": {state: states.count(state) for state in _STATES if state in states},
        "best": None if best is None else best.number,
        "best_recipe": str(recipe) if recipe.is_file() else None,
        "trials": [_as_data(asked, row) for row in trials.rows[:top]],
        "confirmed": None if found is None else _confirmed_data(found),
    }
    return _finite(data)  # type: ignore[no-any-return]


def _as_data(asked: Asked, row: Shown) -> dict[str, Any]:
    last = row.last
    return {
        "trial": row.number,
        "values": row.values,
        "began_with": row.began,
        "state": row.state,
        "why": row.why,
        "run": None if row.folder is None else str(row.folder),
        "reached": reached(asked, last),
        **{name: None if last is None else getattr(last, name) for name in ("time", "epoch", *_FIGURES)},
        "reports": [asdict(report) for report in row.reports],
    }


def _confirmed_data(found: Confirmations) -> dict[str, Any]:
    rows = [
        {
            "trial": row.trial,
            "values": row.values,
            "scores": row.scores,
            "mean": row.mean,
            "spread": row.spread,
            "to_the_recipe": found.gain(row),
        }
        for row in found.rows
    ]
    return {"seeds": found.seeds, "metric": found.metric, "rows": rows}


def _finite(tree: Any) -> Any:
    """Return plain data without what JSON has no word for."""
    if isinstance(tree, dict):
        return {key: _finite(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_finite(value) for value in tree]
    return None if isinstance(tree, float) and not isfinite(tree) else tree
