"""Figures of a search, by Optuna and plotly: what was tried, what mattered, and how it went."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import FanovaImportanceEvaluator

from imgcls.report.tune_levels import ENOUGH, Level
from imgcls.report.tune_trials import Trials
from imgcls.report.tune_values import labels, reached, score, worded
from imgcls.tuning.study import Asked

_TEMPLATE = "plotly_white"
_COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d", "#bab0ac")


class Undrawn(Exception):
    """There is nothing to draw; the message says why."""


@contextmanager
def optuna_quiet() -> Iterator[None]:
    """Keep Optuna off standard error: what it would say there is said on the page."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def parallel(asked: Asked, level: Level) -> go.Figure:
    """Return a level's trials as lines across an axis for the metric and one for each parameter.

    Raises:
        Undrawn: fewer than two trials.
    """
    if len(level.entries) < 2:
        raise Undrawn(f"There are fewer than two trials at {level.about}.")
    figure = optuna.visualization.plot_parallel_coordinate(_study(asked, level), target_name=asked.metric)
    for line, entry in zip(figure.data, level.entries, strict=False):
        if line.type == "scatter":
            line.hovertemplate = f"trial {entry.trial}<br>%{{customdata[0]}}: %{{customdata[1]}}<extra></extra>"
    return figure.update_layout(title=None, template=_TEMPLATE, height=460, margin={"t": 30, "b": 60})


def importances(asked: Asked, level: Level) -> tuple[go.Figure, list[str]]:
    """Return how much of the metric's variance each parameter explains, and what is left out.

    By functional ANOVA (Hutter, Hoos and Leyton-Brown, ICML 2014), which takes parameters that all trials have.
    PED-ANOVA, Optuna's default, takes the others too, but looks at the best tenth: a handful of trials.

    Raises:
        Undrawn: too few trials or parameters, or nothing that differs.
    """
    keys = dict.fromkeys(key for entry in level.entries for key in entry.values)
    shared = [key for key in keys if all(key in entry.values for entry in level.entries)]
    if len(level.entries) < ENOUGH:
        raise Undrawn(f"It takes {ENOUGH} trials that can be compared; {level.about} has {len(level.entries)}.")
    if len(shared) < 2:
        raise Undrawn("It takes two parameters that every trial has.")
    if len({entry.value for entry in level.entries}) < 2:
        raise Undrawn(f"All trials reached the same {asked.metric}, so no parameter explains any of it.")
    try:
        figure = optuna.visualization.plot_param_importances(
            _study(asked, level), evaluator=FanovaImportanceEvaluator(seed=0), target_name=asked.metric
        )
    except (RuntimeError, ValueError) as error:
        raise Undrawn(f"Optuna cannot tell them from these trials: {error}") from None
    figure.update_layout(title=None, template=_TEMPLATE, height=160 + 40 * len(shared), margin={"t": 20})
    return figure, [key for key in keys if key not in shared]


def history(trials: Trials, found: Sequence[Level]) -> go.Figure:
    """Return every result over time, with the best so far: a line a rung, or one of all evaluations.

    Raises:
        Undrawn: there is no result.
    """
    asked = trials.asked
    if not found:
        raise Undrawn("No trial has a result.")
    groups = {"evaluations": tuple(entry for level in found for entry in level.entries)}
    if asked.by_rungs:
        groups = {level.about: level.entries for level in found}
    start = min(row.born for row in trials.rows)
    start = min(start, *(entry.report.at for level in found for entry in level.entries))
    figure = go.Figure()
    for number, (name, entries) in enumerate(groups.items()):
        inorder = sorted(entries, key=lambda entry: entry.report.at)
        minutes = [(entry.report.at - start) / 60 for entry in inorder]
        values = [entry.value for entry in inorder]
        colour = _COLOURS[number % len(_COLOURS)]
        texts = [f"trial {entry.trial}" for entry in inorder]
        figure.add_scatter(
            x=minutes, y=values, text=texts, mode="markers", name=name, legendgroup=name,
            marker={"color": colour, "size": 7}, opacity=0.6,
        )  # fmt: skip
        figure.add_scatter(
            x=minutes, y=_best_so_far(asked, values), mode="lines", name=f"best so far, {name}",
            legendgroup=name, line={"color": colour, "shape": "hv"},
        )  # fmt: skip
    figure.update_xaxes(title="minutes since the search began", rangemode="tozero")
    figure.update_yaxes(title=asked.metric)
    below = {"orientation": "h", "y": -0.2}
    return figure.update_layout(template=_TEMPLATE, height=420, margin={"t": 20}, legend=below)


def curves(trials: Trials) -> go.Figure:
    """Return what each trial reached by rung, or by epoch; the best one stands out.

    Raises:
        Undrawn: there is no result.
    """
    asked, best = trials.asked, trials.best
    rows = [row for row in trials.rows if row.reports]
    if not rows:
        raise Undrawn("No trial has a result.")
    figure, names = go.Figure(), labels(asked.space)
    # the best is drawn last, above the others
    for row in reversed(rows):
        colour, width = ("#e45756", 3) if row is best else ("#4c78a8", 1)
        figure.add_scatter(
            x=[report.time for report in row.reports],
            y=[score(asked, report) for report in row.reports],
            mode="lines+markers", name=f"trial {row.number}", line={"color": colour, "width": width},
            opacity=1 if row is best else 0.5,
            text=[f"{worded(row.values, names)} ({row.state})"] * len(row.reports),
        )  # fmt: skip
    figure.update_xaxes(title="rung" if asked.by_rungs else "epoch")
    if asked.by_rungs:
        # each rung has some times as much as the one before
        abouts = {report.time: reached(asked, report) for row in rows for report in row.reports}
        figure.update_xaxes(type="log", tickvals=list(abouts), ticktext=list(abouts.values()))
    figure.update_yaxes(title=asked.metric)
    return figure.update_layout(template=_TEMPLATE, height=420, showlegend=False, margin={"t": 20})


def _best_so_far(asked: Asked, values: Sequence[float]) -> list[float]:
    best: list[float] = []
    for value in values:
        best.append(value if not best or asked.better(value, best[-1]) else best[-1])
    return best


def _study(asked: Asked, level: Level) -> optuna.Study:
    """Return a level's trials as a study of Optuna's, in memory."""
    names = labels(asked.space)
    study = optuna.create_study(direction="maximize" if asked.mode == "max" else "minimize")
    kinds = {
        key: _distribution(asked.domains.get(key, {}), [e.values[key] for e in level.entries if key in e.values])
        for key in names
        if any(key in entry.values for entry in level.entries)
    }
    for entry in level.entries:
        there = [key for key in names if key in entry.values]
        study.add_trial(
            optuna.trial.create_trial(
                params={names[key]: _given(kinds[key], entry.values[key]) for key in there},
                distributions={names[key]: kinds[key] for key in there},
                value=entry.value,
            )
        )
    return study


def _distribution(domain: Mapping[str, Any], values: Sequence[Any]) -> BaseDistribution:
    """Return Optuna's word for a domain, wide enough for the values: an exploit may leave the space's ends."""
    ends: list[Any] = next((domain[kind] for kind in domain if kind in _NUMBERS), [])
    numbers = [*ends, *values]
    if "choice" in domain or not all(_is_number(value) for value in numbers):
        choices = [*domain.get("choice", ()), *values]
        plain = choices if all(_is_number(choice) for choice in choices) else [_text(choice) for choice in choices]
        return CategoricalDistribution(list(dict.fromkeys(plain)))
    low, high = min(numbers), max(numbers)
    is_log = ("log_uniform" in domain or "log_randint" in domain) and low > 0
    is_whole = all(isinstance(number, int) for number in numbers) and "uniform" not in domain
    return IntDistribution(low, high, log=is_log) if is_whole else FloatDistribution(low, high, log=is_log)


_NUMBERS = ("uniform", "log_uniform", "randint", "log_randint")


def _given(kind: BaseDistribution, value: Any) -> Any:
    """Return a value as a distribution has it."""
    if not isinstance(kind, CategoricalDistribution):
        return value
    return value if _is_number(value) and value in kind.choices else _text(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
