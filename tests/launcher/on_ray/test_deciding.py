"""Decisions of a search that is killed between any two reports are those of one that never was."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ray.tune.experiment import Trial as RayTrial

from imgcls.on_ray.deciding import Deciding, scheduler
from imgcls.tuning.study import Asked, Report, Rung, Study

TRIALS, REPORTS = 9, 3
CONTROLLER = SimpleNamespace(get_live_trials=list, get_trials=list)  # of which the schedulers ask for no more


def asked(name: str) -> Asked:
    rungs = tuple(Rung(3**n, 3 ** (n - 2), "") for n in range(REPORTS)) if name == "asha" else (Rung(3, 1, ""),)
    return Asked("x", "val/top1", TRIALS, "random", name, "epochs", None, 0, 3, 1, rungs, 1, 1.0, {}, {})


def scores(seed: int) -> dict[tuple[int, int], float]:
    rng = np.random.default_rng(seed)
    return {(n, i): float(rng.uniform(0, 100)) for n in range(1, TRIALS + 1) for i in range(REPORTS)}


class Told:
    """A search of a scheduler, told of reports in an order."""

    def __init__(self, folder: Path, name: str) -> None:
        self.asked = asked(name)
        self.study = Study(folder)
        self.begin()

    def begin(self) -> None:
        """Begin, or go on in another process."""
        self.deciding = Deciding(scheduler(self.asked, ()), self.study, self.asked, lambda *_: None)
        self.trials: dict[int, RayTrial] = {}
        for trial in self.study.trials:
            if trial.end is None:
                self.add(trial.number)

    def add(self, number: int) -> None:
        trial = RayTrial("x", stub=True, trial_id=f"{number:04}", config={"number": number})
        self.trials[number] = trial
        self.deciding.on_trial_add(CONTROLLER, trial)

    def report(self, number: int, index: int, score: float) -> None:
        """Let a trial report, as Ray Tune does it: what is the last by itself is not decided on."""
        time = (self.asked.rungs[index] if self.asked.by_rungs else Rung(index + 1, 1, "")).time
        trial = self.study.trial(number)
        trial.report(Report(index, index + 1, time, time, time, score, 99.0, 1.0, 0.0))
        result = self.deciding._result(trial, trial.reports[-1]) | {"index": index, "failed": ""}
        last = index + 1 == REPORTS
        if last or self.deciding.on_trial_result(CONTROLLER, self.trials[number], result) == "STOP":
            self.deciding.on_trial_complete(CONTROLLER, self.trials[number], result)
            trial.ended("finished" if last else "stopped", "")


def _searched(folder: Path, name: str, seed: int, killed: bool) -> list[tuple[str, list[str]]]:
    told, score = Told(folder, name), scores(seed)
    for first in range(1, TRIALS + 1, 3):
        numbers = range(first, first + 3)
        for number in numbers:
            told.study.add({"n": number})
            told.add(number)
        for index in range(REPORTS):
            for number in numbers:
                if told.study.trial(number).end is None:
                    told.report(number, index, score[number, index])
                    if killed:
                        told.begin()
    return [(trial.state, trial.decisions) for trial in told.study.trials]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["none", "asha", "median"])
def test_a_search_that_is_killed_after_each_report_decides_as_one_that_is_not(tmp_path, name, seed):
    calm = _searched(tmp_path / "calm", name, seed, killed=False)
    assert _searched(tmp_path / "killed", name, seed, killed=True) == calm
    stopped = [state for state, _ in calm].count("stopped")
    assert 0 < stopped < TRIALS if name != "none" else stopped == 0


def test_a_trial_that_had_gone_on_is_not_stopped_when_others_have_passed_it_since(tmp_path):
    told = Told(tmp_path, "asha")
    for number, score in ((1, 10.0), (2, 50.0), (3, 60.0), (4, 70.0)):
        told.study.add({"n": number})
        told.add(number)
        told.report(number, 0, score)
    first = told.study.trial(1)
    assert first.decisions == ["CONTINUE"]  # nobody else was there
    told.begin()
    assert first.end is None
    assert first.decisions == ["CONTINUE"]
    told.report(1, 1, 95.0)
    assert first.decisions == ["CONTINUE", "CONTINUE"]


def test_what_was_decided_is_written_once(tmp_path):
    told = Told(tmp_path, "asha")
    told.study.add({"n": 1})
    told.add(1)
    told.report(1, 0, 50.0)
    trial = told.study.trial(1)
    result = told.deciding._result(trial, trial.reports[0]) | {"index": 0, "failed": ""}
    told.begin()
    told.deciding.on_trial_result(CONTROLLER, told.trials[1], result)
    written = (trial.folder / "decisions.jsonl").read_text().splitlines()
    assert list(map(json.loads, written)) == [{"decision": "CONTINUE"}]
