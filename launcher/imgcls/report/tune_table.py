"""The live view of a search: a table on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from imgcls.report.tune_values import labels, reached, score, scored, searched, short, span, worded
from imgcls.tuning.study import Asked, Report

_PLAIN_SECONDS = 15.0  # between lines on how it goes where there is no table
_ROWS = 20  # of the table, at most
_COLUMNS = 6  # of values, at most; more are written as one
_ENDED = ("stopped", "finished", "failed")
_STYLES = {"running": "cyan", "paused": "blue", "failed": "red", "stopped": "dim", "waiting": "dim"}


@dataclass
class _Seen:
    """A trial as it was told of last.

    Attributes:
        whole: whether it was seen from its start, so that its time is all that it took.
        spent: seconds that it ran, without those since it last began to.
        since: when it last began to run; None where it does not run.
    """

    number: int
    values: dict[str, Any]
    state: str
    report: Report | None
    why: str
    whole: bool
    spent: float = 0.0
    since: float | None = None

    def seconds(self, now: float) -> float:
        """Return how long it ran."""
        return self.spent + (0.0 if self.since is None else now - self.since)


class LiveTable:
    """Shows the trials of a search as they go.

    Args:
        console: where to.
        title: of the search, in the first line.
        asked: what it was asked for.
        concurrent: how many trials run at the same time.
        plain: print lines even on a terminal.
        clock: seconds that rise.
    """

    def __init__(
        self,
        console: Console,
        title: str,
        asked: Asked,
        concurrent: int,
        plain: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console = console
        self._asked = asked
        self._concurrent = max(1, concurrent)
        self._clock = clock
        self._labels: dict[str, str] = labels(asked.space)
        self._trials: dict[int, _Seen] = {}
        self._started = self._plain_at = clock()
        # the table is drawn by a thread of rich's, between two calls
        self._lock = threading.Lock()
        self._live: Live | None = None
        self.line(title)
        if console.is_terminal and not plain:
            self._live = Live(get_renderable=self._render, console=console, refresh_per_second=2, transient=True)
            self._live.start()

    def trial(
        self, number: int, values: Mapping[str, Any], state: str, report: Report | None, why: str = ""
    ) -> None:
        """Take how a trial stands: at each change, and once for each trial that there is at the beginning.

        Args:
            number: of the trial.
            values: what is laid over the recipe for it.
            state: waiting, running, paused, stopped, finished or failed.
            report: its last one; None where it has none.
            why: of a trial that failed, or was stopped.
        """
        with self._lock:
            before = self._trials.get(number)
            seen = self._noted(before, number, values, state, report, why)
            self._trials[number] = seen
            if not self._asked.space:
                self._labels = labels({**self._labels, **seen.values})
            is_best = self._best() is seen
        is_new = before is not None and report is not None and report != before.report
        # what has ended before this search went on was told of then
        has_ended = before is not None and state in _ENDED and before.state not in _ENDED
        if has_ended and state == "failed":
            self.line(f"trial {number} failed: {why or 'see its logs'}", style="yellow")
        if self._live is None:
            if is_new and is_best:
                self.line(f"best so far: {self._about(seen)}")
            if has_ended and state != "failed":
                self.line(self._ending(seen))
            self.tick()

    def tick(self) -> None:
        """Say how it goes where no table does, and it was not said for a while. May be called at any time."""
        if self._live is None and self._clock() - self._plain_at > _PLAIN_SECONDS:
            self._plain_at = self._clock()
            self.line(self._head())

    def line(self, text: str, style: str | None = None) -> None:
        """Print a line above the table."""
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Take the table away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _noted(
        self,
        before: _Seen | None,
        number: int,
        values: Mapping[str, Any],
        state: str,
        report: Report | None,
        why: str,
    ) -> _Seen:
        """Return a trial as it stands, with the time that it has run."""
        now = self._clock()
        whole = report is None and state not in _ENDED if before is None else before.whole
        seen = _Seen(number, searched(self._asked, values), state, report, why, whole)
        if before is not None:
            seen.spent, seen.since = before.spent, before.since
        if state != "running":
            seen.spent, seen.since = seen.seconds(now), None
        elif seen.since is None:
            seen.since = now
        return seen

    def _best(self) -> _Seen | None:
        """Return the best trial with a result: of those that came furthest."""
        found = [seen for seen in self._trials.values() if seen.state != "failed" and self._has_result(seen)]
        return min(found, key=self._rank, default=None)

    def _has_result(self, seen: _Seen) -> bool:
        return seen.report is not None and not isnan(score(self._asked, seen.report))

    def _rank(self, seen: _Seen) -> tuple[float, ...]:
        """Return what trials are sorted by, the best first."""
        if seen.report is None:
            return (1.0, 0.0, 0.0, seen.number)
        value = score(self._asked, seen.report)
        value = self._asked.worst if isnan(value) else value
        return (0.0, -seen.report.time, -value if self._asked.mode == "max" else value, seen.number)

    def _place(self, seen: _Seen) -> tuple[bool, tuple[float, ...]]:
        return seen.state == "failed", self._rank(seen)

    def _about(self, seen: _Seen) -> str:
        result = "" if seen.report is None else f", {self._result(seen.report)}"
        values = worded(seen.values, self._labels)
        return f"trial {seen.number}{result}{f': {values}' if values else ''}"

    def _result(self, report: Report) -> str:
        figure = self._asked.figure
        return f"{figure} {scored(figure, score(self._asked, report))} at {reached(self._asked, report)}"

    def _ending(self, seen: _Seen) -> str:
        ended = sum(each.state in _ENDED for each in self._trials.values())
        result = "without a result" if seen.report is None else self._result(seen.report)
        return f"trial {seen.number} {seen.state}: {result}  ({ended} of {self._asked.trials} trials have ended)"

    def _head(self) -> str:
        now = self._clock()
        states = [seen.state for seen in self._trials.values()]
        best, left = self._best(), self._left(now)
        parts = [
            f"{sum(state in _ENDED for state in states)}/{self._asked.trials} trials",
            f"{states.count('running')} running",
            f"{span(now - self._started)} elapsed",
            *([] if left is None else [f"about {span(left)} to go"]),
        ]
        # the best last: on a narrow terminal its end is cut off
        return ", ".join(parts) + ("" if best is None else f"; best is {self._about(best)}")

    def _left(self, now: float) -> float | None:
        """Return how many seconds are left; None before a trial has ended that was seen from its start."""
        trials = self._trials.values()
        costs = [seen.spent for seen in trials if seen.whole and seen.state in ("finished", "stopped")]
        if not costs:
            return None
        mean = sum(costs) / len(costs)
        left = max(self._asked.trials, len(trials)) - sum(seen.state in _ENDED for seen in trials)
        spent = sum(min(seen.seconds(now), mean) for seen in trials if seen.state not in _ENDED)
        return (mean * left - spent) / max(1, min(self._concurrent, left))

    def _render(self) -> RenderableType:
        with self._lock:
            running = [seen for _, seen in sorted(self._trials.items()) if seen.state == "running"]
            others = [seen for seen in self._trials.values() if seen.state != "running"]
            rows = [*running, *sorted(others, key=self._place)]
            room = max(1, min(_ROWS, self.console.height - 6))
            table = self._table(rows[:room])
            more = [Text(f"and {len(rows) - room} more", style="dim")] if len(rows) > room else []
            return Group(Text(self._head(), no_wrap=True, overflow="ellipsis"), table, *more)

    def _table(self, rows: list[_Seen]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("trial", justify="right", no_wrap=True)
        names = list(self._labels.values()) if len(self._labels) <= _COLUMNS else ["values"]
        for name in names:
            table.add_column(Text(name, no_wrap=True, overflow="ellipsis"))
        for name in ("state", "reached"):
            table.add_column(name, no_wrap=True)
        for name in (self._asked.figure, "time"):
            table.add_column(name, justify="right", no_wrap=True)
        best, now = self._best(), self._clock()
        for seen in rows:
            style = "bold green" if seen is best else _STYLES.get(seen.state)
            # columns that may wrap give up their width first: those of values do, and are cut, not wrapped
            cells = [
                Text(cell, no_wrap=True, overflow="ellipsis") for cell in self._cells(seen, seen is best, now)
            ]
            table.add_row(*cells, style=style)
        return table

    def _cells(self, seen: _Seen, is_best: bool, now: float) -> list[str]:
        if len(self._labels) <= _COLUMNS:
            values = [short(seen.values[key]) if key in seen.values else "" for key in self._labels]
        else:
            values = [worded(seen.values, self._labels)]
        result = "" if seen.report is None else scored(self._asked.figure, score(self._asked, seen.report))
        seconds = seen.seconds(now)
        return [
            str(seen.number),
            *values,
            seen.state,
            reached(self._asked, seen.report),
            f"{result} *" if is_best else result,
            span(seconds) if seconds else "",
        ]
