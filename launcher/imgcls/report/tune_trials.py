"""The trials of a search as its folder has them, the best first."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from imgcls.errors import UserError
from imgcls.report.tune_values import searched
from imgcls.run_folder import read_json
from imgcls.tuning.study import Asked, Report, Study, Trial, ranked


@dataclass(frozen=True)
class Shown:
    """A trial.

    Attributes:
        number: of it.
        began: what it began with: key of the space -> value.
        values: the same, after what it has taken over from others.
        state: waiting, begun, paused, stopped, finished or failed; "begun" says nothing of whether it runs now.
        why: it ended.
        reports: what it reached, in order.
        values_at: for each report, the values that its run had.
        folder: of its last run; None where it has none.
        born: when it was thought of, seconds since 1970.
    """

    number: int
    began: dict[str, Any]
    values: dict[str, Any]
    state: str
    why: str
    reports: tuple[Report, ...]
    values_at: tuple[dict[str, Any], ...]
    folder: Path | None
    born: float

    @property
    def last(self) -> Report | None:
        """Its last report."""
        return self.reports[-1] if self.reports else None


@dataclass(frozen=True)
class Confirmed:
    """One of the best trials, or the recipe itself, trained with several seeds.

    Attributes:
        trial: its number; None for the recipe itself.
        values: what is laid over the recipe.
        scores: of the metric, one a seed; none for a run that failed.
        mean: of the scores; None where there is none.
        spread: of the scores: the standard deviation of a sample.
    """

    trial: int | None
    values: dict[str, Any]
    scores: tuple[float, ...]
    mean: float | None
    spread: float

    @property
    def name(self) -> str:
        """What it is, in a table."""
        return "the recipe" if self.trial is None else f"trial {self.trial}"


@dataclass(frozen=True)
class Confirmations:
    """What ``--confirm`` found.

    Attributes:
        seeds: of the runs.
        metric: what the scores are of.
        rows: the recipe itself is one of them.
    """

    seeds: tuple[int, ...]
    metric: str
    rows: tuple[Confirmed, ...]

    def gain(self, row: Confirmed) -> float | None:
        """Return by how much a mean is above the recipe's own; None for the recipe, or where it was not run."""
        own = next((each.mean for each in self.rows if each.trial is None), None)
        return None if own is None or row.mean is None or row.trial is None else row.mean - own


class Trials:
    """What is in a search's folder.

    Args:
        study: the folder. It is read once, on first use.

    Raises:
        UserError: it is no search's folder, or a file in it is damaged.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.asked: Asked = study.asked

    @cached_property
    def rows(self) -> tuple[Shown, ...]:
        """All trials: the best first, then those without a result, then those that failed."""
        asked, study = self.asked, self.study
        try:
            places = {trial.number: place for place, (trial, _) in enumerate(ranked(study, asked))}
            rows = [_shown(asked, trial) for trial in study.trials]
        except (ValueError, TypeError, KeyError) as error:
            text = f"{study.path / 'trials'}: a file is damaged, or of another version of imgcls ({error!r})"
            raise UserError(text) from None

        def place(row: Shown) -> tuple[bool, int, int]:
            return row.state == "failed", places.get(row.number, len(rows)), row.number

        return tuple(sorted(rows, key=place))

    @property
    def best(self) -> Shown | None:
        """The best trial; None where none has reported."""
        return next((row for row in self.rows if row.reports and row.state != "failed"), None)

    @cached_property
    def confirmations(self) -> Confirmations | None:
        """What several seeds of the best gave; None where it was not asked for."""
        path = self.study.path / "confirm.json"
        try:
            tree = read_json(path)
            rows = [Confirmed(**{**row, "scores": tuple(row["scores"])}) for row in tree["rows"]]
            return Confirmations(tuple(tree["seeds"]), str(tree["metric"]), tuple(rows))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            text = f"{path}: is damaged, or of another version of imgcls ({error!r})"
            raise UserError(text) from None


def _shown(asked: Asked, trial: Trial) -> Shown:
    reports, end, runs = tuple(trial.reports), trial.end, trial.runs
    return Shown(
        number=trial.number,
        began=searched(asked, trial.values),
        values=searched(asked, trial.values_now),
        state=_state(trial, len(reports)),
        why="" if end is None else str(end["why"]),
        reports=reports,
        values_at=tuple(searched(asked, _values_of(trial, report)) for report in reports),
        folder=runs[-1].path if runs else None,
        born=(trial.folder / "trial.json").stat().st_mtime,
    )


def _state(trial: Trial, reports: int) -> str:
    state = trial.state
    if state != "begun":
        return state
    decisions = trial.decisions
    return "paused" if len(decisions) == reports and decisions[-1:] == ["PAUSE"] else state


def _values_of(trial: Trial, report: Report) -> dict[str, Any]:
    path = trial.run(report.run).path / "values.json"
    values: dict[str, Any] = read_json(path)["values"] if path.exists() else trial.values
    return values
