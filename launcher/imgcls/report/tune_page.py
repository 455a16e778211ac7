"""The report of a search as a page that stands alone: tables and figures, with all that draws them in it."""

from collections.abc import Callable, Sequence
from functools import partial
from html import escape

import plotly.graph_objects as go
import plotly.io
from plotly.offline import get_plotlyjs

from imgcls.report import tune_figures
from imgcls.report.tune_figures import Undrawn, optuna_quiet
from imgcls.report.tune_levels import Level, levels, telling
from imgcls.report.tune_summary import confirmation, confirmation_table, counts, headline, table
from imgcls.report.tune_trials import Trials
from imgcls.report.tune_values import labels, scored, worded

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 1100px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin: 2em 0 .3em } p { margin: .3em 0 }
table { border-collapse: collapse; font-size: .9em } td, th { padding: .2em .8em .2em 0; text-align: left }
th { border-bottom: 1px solid #999 } tr.best td { font-weight: bold } .scroll { overflow-x: auto }
code { background: #f2f2f2; padding: .1em .3em } .note { color: #666 }
"""


def page(trials: Trials) -> str:
    """Return the page as HTML. It asks nothing of any network: plotly's code is in it, 4.8 MB of it."""
    asked, found = trials.asked, levels(trials)
    with optuna_quiet():
        parts = [*_tried(trials, found), *_mattered(trials, found), *_went(trials, found)]
    title = f"imgcls tune: {escape(asked.recipe)}"
    body = "\n".join([f"<h1>{title}</h1>", _paragraph(headline(asked)), *_summary(trials), *parts])
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n<script>{get_plotlyjs()}</script></head>\n<body>\n{body}\n</body></html>\n"
    )


def _summary(trials: Trials) -> list[str]:
    asked, best, found = trials.asked, trials.best, trials.confirmations
    parts = [_paragraph(counts(trials))]
    if best is None or best.last is None:
        parts.append(_paragraph("No trial has a result yet."))
    else:
        result = scored(asked.figure, getattr(best.last, asked.figure))
        said = f"Best: trial {best.number}, {asked.metric} {result}: {worded(best.values, labels(asked.space))}"
        parts.append(_paragraph(said))
    if trials.study.best.is_file():
        parts.append(f"<p><code>imgcls launch {escape(str(trials.study.best))}</code></p>")
    if found is not None:
        parts += [_heading("Confirmed with several seeds"), _paragraph(confirmation(found))]
        parts.append(_table(confirmation_table(asked, found)))
    rows = table(trials, trials.rows)
    parts += [_heading("Trials"), _table(rows)]
    parts += [
        _paragraph(f"trial {row.number}: {row.why}") for row in trials.rows if row.state == "failed" and row.why
    ]
    return parts


def _tried(trials: Trials, found: Sequence[Level]) -> list[str]:
    """Return the parallel coordinates: a figure for each rung, or of the evaluation that most trials came to."""
    asked = trials.asked
    parts = [_heading("What was tried")]
    chosen = telling(found)
    shown = [level for level in reversed(found) if len(level.entries) > 1] if asked.by_rungs else []
    if not shown and chosen is not None:
        shown = [chosen]
    if not shown:
        return [*parts, _paragraph("No trial has a result.")]
    if asked.by_rungs:
        parts.append(_paragraph("Results of different rungs are not comparable, so each rung has its own figure."))
    if len({frozenset(entry.values) for level in shown for entry in level.entries}) > 1:
        parts.append(_paragraph("None stands for a parameter that a trial does not have."))
    for level in shown:
        parts.append(_paragraph(f"{level.about}, {_count(level)}:"))
        parts.append(_drawn(f"parallel-{level.time}", partial(tune_figures.parallel, asked, level)))
    return parts


def _mattered(trials: Trials, found: Sequence[Level]) -> list[str]:
    parts, level = [_heading("What mattered")], telling(found)
    if level is None:
        return [*parts, _paragraph("No trial has a result.")]
    try:
        figure, left_out = tune_figures.importances(trials.asked, level)
    except Undrawn as reason:
        return [*parts, _paragraph(str(reason))]
    said = f"Of {_count(level)} at {level.about}, by functional ANOVA (Hutter et al., ICML 2014)."
    parts.append(_paragraph(said))
    if level is not found[-1]:
        parts.append(
            _paragraph("Those that went further were chosen by what they reached: that hides what mattered.")
        )
    if left_out:
        parts.append(_paragraph(f"Not assessed, for not every trial has it: {', '.join(left_out)}."))
    return [*parts, _html("importances", figure)]


def _went(trials: Trials, found: Sequence[Level]) -> list[str]:
    by = "rung" if trials.asked.by_rungs else "epoch"
    return [
        _heading("How it went"),
        _drawn("history", partial(tune_figures.history, trials, found)),
        _heading(f"Each trial by {by}"),
        _drawn("curves", partial(tune_figures.curves, trials)),
    ]


def _count(level: Level) -> str:
    count = len(level.entries)
    return f"{count} trial{'s' if count != 1 else ''}"


def _drawn(name: str, draw: Callable[[], go.Figure]) -> str:
    """Return a figure, or why there is none."""
    try:
        return _html(name, draw())
    except Undrawn as reason:
        return _paragraph(str(reason))


def _html(name: str, figure: go.Figure) -> str:
    # an id of its own, so that the page of the same search is the same page
    config = {"displaylogo": False, "responsive": True}
    html = plotly.io.to_html(figure, config=config, include_plotlyjs=False, full_html=False, div_id=name)
    return str(html)


def _heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a table, the first of them its heading; the row of the best stands out."""
    heading = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    lines = []
    for row in rows[1:]:
        opened = '<tr class="best">' if row[0].endswith(" *") else "<tr>"
        lines.append(opened + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>")
    return f'<div class="scroll"><table><tr>{heading}</tr>\n' + "\n".join(lines) + "</table></div>"
