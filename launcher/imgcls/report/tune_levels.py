"""What of a search's results may be compared: those of the same rung, or of the same epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from imgcls.report.tune_trials import Trials
from imgcls.report.tune_values import reached, score
from imgcls.tuning.study import Report

ENOUGH = 10  # trials, for a statement on what matters
_MOST = 2 / 3


@dataclass(frozen=True)
class Entry:
    """What a trial reached at a level, and with which values.

    Attributes:
        trial: its number.
        value: of the metric.
        values: key of the space -> value.
        report: the whole of it.
    """

    trial: int
    value: float
    values: dict[str, Any]
    report: Report


@dataclass(frozen=True)
class Level:
    """A rung or an epoch, with all trials that came so far.

    Attributes:
        time: of the scheduler.
        about: in words.
        entries: one a trial, in order of their numbers.
    """

    time: int
    about: str
    entries: tuple[Entry, ...]


def levels(trials: Trials) -> tuple[Level, ...]:
    """Return all levels that a trial came to, the lowest first.

    Trials that failed are left out, and results that are no numbers.
    """
    asked = trials.asked
    found: dict[int, dict[int, Entry]] = {}
    for row in trials.rows:
        for report, values in zip(row.reports, row.values_at, strict=True):
            value = score(asked, report)
            if row.state != "failed" and isfinite(value):
                # of a trial that came there twice, by an exploit, the later one counts
                found.setdefault(report.time, {})[row.number] = Entry(row.number, value, values, report)
    inorder = {time: tuple(entries[n] for n in sorted(entries)) for time, entries in sorted(found.items())}
    return tuple(Level(time, reached(asked, entries[0].report), entries) for time, entries in inorder.items())


def telling(found: Sequence[Level]) -> Level | None:
    """Return the highest level that most trials came to; None where there is none.

    The few that go further were chosen by what they reached: among them what mattered is alike, and seems not to
    matter.
    """
    most = max((len(level.entries) for level in found), default=0)
    return next((level for level in reversed(found) if len(level.entries) >= _MOST * most), None)
