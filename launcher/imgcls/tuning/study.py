"""The folder of a search: what was asked for, and every trial with its reports, as plain JSON.

Nothing of a search is kept anywhere else. A search that was ended goes on from these files alone::

    tune.json              what was asked for: settings, space, rungs
    recipe.toml            the recipe that every trial changes
    trials/0007/
        trial.json         its number and its values; written before anything is started
        reports.jsonl      what it reached, a line an evaluation or a rung; written by the trial
        decisions.jsonl    what the scheduler made of each report; written by the search
        end.json           how it ended; written by the search
        run-1/ run-2/      its runs, each a run's folder as any launch's: one a rung, or one an exploit
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Any, Literal

from imgcls.errors import UserError
from imgcls.lines import append_line
from imgcls.run_folder import RunFolder, read_json, write_whole

State = Literal["finished", "stopped", "failed"]
VALUES = "values.json"  # in a run's folder: what it has, after what was taken over from another trial
# metric of [tune] -> the figure of an evaluation, and the better direction
METRICS: Mapping[str, tuple[str, Literal["max", "min"]]] = {
    "val/top1": ("top1", "max"),
    "val/top5": ("top5", "max"),
    "val/loss": ("loss", "min"),
}


@dataclass(frozen=True)
class Rung:
    """How much a trial gets before the next look at it.

    Attributes:
        time: of the scheduler, which rises by the reduction from rung to rung.
        share: of a whole run.
        about: in words, such as "5 epochs".
    """

    time: int
    share: float
    about: str


@dataclass(frozen=True)
class Asked:
    """What a search was asked for.

    Attributes:
        recipe: name of the recipe.
        metric: one of :data:`METRICS`.
        trials: how many values are tried.
        search, scheduler, fidelity, holdout, seed: as in the recipe.
        reduction: of the rungs.
        perturb_every: epochs between looks at the others, for population based training.
        rungs: a run each; of one rung, every evaluation is reported.
        workers: of a trial.
        cpus: of a worker.
        space: key -> what its values are from, in words.
        domains: the same as ``imgcls.tuning.space.domain_json`` gives it.
    """

    recipe: str
    metric: str
    trials: int
    search: str
    scheduler: str
    fidelity: str
    holdout: float | None
    seed: int
    reduction: int
    perturb_every: int
    rungs: tuple[Rung, ...]
    workers: int
    cpus: float
    space: Mapping[str, str]
    domains: Mapping[str, Any] = field(default_factory=dict)

    @property
    def figure(self) -> str:
        """What of an evaluation is looked at: top1, top5 or loss."""
        return METRICS[self.metric][0]

    @property
    def mode(self) -> Literal["max", "min"]:
        """Whether more of it is better."""
        return METRICS[self.metric][1]

    @property
    def by_rungs(self) -> bool:
        """Whether a report is a run's result, not an evaluation."""
        return self.scheduler in ("asha", "hyperband")

    def better(self, one: float, other: float) -> bool:
        """Return whether a value of the metric is better than another."""
        return one > other if self.mode == "max" else one < other

    @property
    def worst(self) -> float:
        """What a trial that failed is taken to have reached."""
        return 0.0 if self.mode == "max" else 1e9


@dataclass(frozen=True)
class Report:
    """What a trial reached.

    Attributes:
        index: of the report within the trial, from 0.
        run: the number of its run, from 1.
        time: of the scheduler: the rung's, or the epoch.
        epoch, step: how many its run had.
        top1, top5: percent.
        loss: mean over the validation set.
        at: seconds since 1970.
    """

    index: int
    run: int
    time: int
    epoch: int
    step: int
    top1: float
    top5: float
    loss: float
    at: float


class Trial:
    """One trial's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = int(folder.name)

    @cached_property
    def values(self) -> dict[str, Any]:
        """What is laid over the recipe: dotted key -> value; those that it began with."""
        values: dict[str, Any] = read_json(self.folder / "trial.json")["values"]
        return values

    @property
    def values_now(self) -> dict[str, Any]:
        """The same, after what it has taken over from others."""
        runs = self.runs
        values: dict[str, Any] = read_json(runs[-1].path / VALUES)["values"] if runs else self.values
        return values

    @property
    def reports(self) -> list[Report]:
        """What it has reported, in order."""
        return [Report(**line) for line in lines(self.folder / "reports.jsonl")]

    def report(self, report: Report) -> None:
        """Add a report."""
        append_line(self.folder / "reports.jsonl", json.dumps(asdict(report)) + "\n")

    @property
    def decisions(self) -> list[str]:
        """What the scheduler made of the reports: at most one a report."""
        return [line["decision"] for line in lines(self.folder / "decisions.jsonl")]

    def decide(self, decision: str) -> None:
        """Note what the scheduler made of the report that has no decision yet."""
        append_line(self.folder / "decisions.jsonl", json.dumps({"decision": decision}) + "\n")

    @property
    def runs(self) -> list[RunFolder]:
        """Its runs, in order; one whose folder was not whole when a process died has not begun."""
        begun = self.folder.glob(f"run-*/{VALUES}")
        numbers = sorted(int(path.parent.name.removeprefix("run-")) for path in begun)
        return [self.run(number) for number in numbers]

    def run(self, number: int) -> RunFolder:
        """Return its run of a number, from 1."""
        return RunFolder(self.folder / f"run-{number}")

    @property
    def end(self) -> dict[str, Any] | None:
        """How it ended: ``state`` and ``why``; None where it has not."""
        path = self.folder / "end.json"
        return read_json(path) if path.exists() else None

    @property
    def state(self) -> str:
        """Its :data:`State`; "begun" where it has reported or run, "waiting" where not."""
        end = self.end
        if end is not None:
            return str(end["state"])
        return "begun" if self.runs else "waiting"

    def ended(self, state: State, why: str) -> None:
        """Note that it has ended, and why."""
        write_whole(self.folder / "end.json", json.dumps({"state": state, "why": why}, indent=1) + "\n")


class Study:
    """A search's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def asked(self) -> Asked:
        """What it was asked for.

        Raises:
            UserError: the folder is no search's.
        """
        try:
            tree = read_json(self.path / "tune.json")
            rungs = tuple(Rung(**rung) for rung in tree.pop("rungs"))
            return Asked(**tree, rungs=rungs)
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(f"{self.path}: is no folder of `imgcls tune`: there is no tune.json in it") from None
        except (ValueError, TypeError, KeyError) as error:
            text = f"{self.path / 'tune.json'}: is damaged, or of another version of imgcls ({error})"
            raise UserError(text) from None

    def ask(self, asked: Asked) -> None:
        """Write down what it is asked for."""
        write_whole(self.path / "tune.json", json.dumps(asdict(asked), indent=1) + "\n")

    @property
    def recipe(self) -> Path:
        """The recipe that every trial changes."""
        return self.path / "recipe.toml"

    @property
    def best(self) -> Path:
        """The recipe of the best trial."""
        return self.path / "best.toml"

    @property
    def logs(self) -> Path:
        """Folder of what Ray prints."""
        return self.path / "logs"

    @property
    def trials(self) -> list[Trial]:
        """All trials, in order of their numbers."""
        folders = sorted(path for path in (self.path / "trials").glob("[0-9]*") if (path / "trial.json").exists())
        return [Trial(folder) for folder in folders]

    def trial(self, number: int) -> Trial:
        """Return the trial of a number."""
        return Trial(self.path / "trials" / f"{number:04}")

    def add(self, values: Mapping[str, Any]) -> Trial:
        """Make the folder of a new trial; its number is the next after the largest."""
        numbers = [trial.number for trial in self.trials]
        trial = self.trial(max(numbers, default=0) + 1)
        trial.folder.mkdir(parents=True, exist_ok=True)
        write_whole(trial.folder / "trial.json", json.dumps({"values": dict(values)}, indent=1) + "\n")
        return trial


def value_of(asked: Asked, reports: Sequence[Report]) -> float | None:
    """Return what a trial reached: of its last rung, or the last evaluation; None where it has no report."""
    return float(getattr(reports[-1], asked.figure)) if reports else None


def ranked(study: Study, asked: Asked) -> list[tuple[Trial, Report]]:
    """Return the trials that have reported, the best first: those that came further are before others.

    A rung's result says little beside one of a longer run, so the best is the best of those that came furthest.
    """
    found = [(trial, reports[-1]) for trial in study.trials if (reports := trial.reports) and not _failed(trial)]
    sign = -1 if asked.mode == "max" else 1

    def place(pair: tuple[Trial, Report]) -> tuple[float, float, int]:
        value = float(getattr(pair[1], asked.figure))
        # no order holds among numbers that are none
        return -pair[1].time, sign * (asked.worst if isnan(value) else value), pair[0].number

    return sorted(found, key=place)


def _failed(trial: Trial) -> bool:
    end = trial.end
    return end is not None and end["state"] == "failed"


def lines(path: Path) -> list[Any]:
    """Return what a file of JSON lines holds; nothing where it is not there."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    # what a killed process began to write ends without a newline, and is not there
    return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines() if line.endswith(b"}")]
