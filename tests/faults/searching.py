"""Real searches to be killed: small recipes with a space, and what their folders hold."""

import hashlib
import os
from pathlib import Path
from typing import Any

from tests.faults.processes import Launch, assert_same_end, imgcls, metrics
from tests.faults.recipes import small_steps

from imgcls.run_folder import RunFolder, read_json
from imgcls.tuning.study import VALUES, Study, Trial, lines

TUNE = """
[tune]
trials = {trials}
search = "{search}"
scheduler = "{scheduler}"
{more}
[tune.space]
"optimizer.lr" = {{ log_uniform = [0.005, 0.05] }}
{space}
"""


def small_search(
    folder: Path,
    trials: int,
    scheduler: str = "none",
    search: str = "random",
    epochs: int = 2,
    space: str = '"model.activation" = ["tanh", "relu"]',
    more: str = "",
) -> None:
    """Write a recipe of 180 steps an epoch with a checkpoint each 50 steps, and a search over it."""
    text = TUNE.format(trials=trials, search=search, scheduler=scheduler, more=more, space=space)
    small_steps(folder, epochs, text)


def searching(folder: Path, name: str = "search", *more: object) -> Launch:
    """Start the search, or go on with it."""
    return Launch(_arguments(name, *more), folder, name=name)


def searched(folder: Path, name: str = "search", *more: object) -> Any:
    """Carry the search out to its end, which leaves no process behind."""
    return imgcls(*_arguments(name, *more), cwd=folder, limit=600)


def _arguments(name: str, *more: object) -> list[object]:
    return ["tune", "small_steps.toml", "--name", name, "--plain", *more]


def study_of(folder: Path, name: str = "search") -> Study:
    """The search's folder."""
    return Study(folder / "runs" / name)


def step_of(run: RunFolder) -> int:
    """The step of a run's newest checkpoint; 0 where there is none."""
    return max((int(path.name.removeprefix("step-")) for path in run.checkpoints.glob("step-*")), default=0)


def middle(trial: Trial, step: int) -> bool:
    """Whether a trial has a checkpoint after so many steps or more, and has not ended."""
    return any(step_of(run) >= step and not run.result.exists() for run in trial.runs[-1:])


def began_at(run: RunFolder) -> int:
    """The step that a run went on from when it was begun last; -1 where it has not come so far."""
    return int(next((event["step"] for event in lines(run.events) if event["kind"] == "run"), -1))


def kinds(run: RunFolder) -> list[str]:
    """The kinds of the events that a run told of since it was begun last."""
    return [event["kind"] for event in lines(run.events)]


def process_of(search: Launch, run: RunFolder) -> int:
    """The process that trains a run: the one whose output goes to its log."""
    log = str((run.logs / "worker-0.log").resolve())
    found = [pid for pid in search.alive() if _output(pid) == log]
    assert len(found) == 1, found
    return found[0]


def _output(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/1")
    except OSError:
        return ""


def contents(folder: Path) -> dict[str, tuple[int, str]]:
    """Each file of a folder with its time and its SHA-256."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(p): (os.stat(p).st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files}


def assert_whole_and_once(study: Study) -> None:
    """No configuration was tried twice, and every trial's reports have neither gaps nor repetitions."""
    trials = study.trials
    assert [trial.number for trial in trials] == list(range(1, len(trials) + 1))
    assert len({str(sorted(trial.values.items())) for trial in trials}) == len(trials)
    for trial in trials:
        reports = trial.reports
        assert [report.index for report in reports] == list(range(len(reports))), trial.folder
        times = [report.time for report in reports]
        assert times == sorted(set(times)), (trial.folder, times)
        assert len(trial.decisions) <= len(reports), trial.folder


def assert_as_launched(folder: Path, run: RunFolder, name: str) -> None:
    """A trial's run ended bit for bit as a launch of its recipe does, in a process of its own without Ray."""
    recipe = run.recipe.relative_to(folder)
    ended = imgcls("launch", recipe, "--workers", 0, "--name", name, cwd=folder)
    assert ended.code == 0, ended
    assert_same_end(folder / "runs" / name, run.path)


def assert_population(study: Study, trial: Trial, epochs: int) -> None:
    """A trial of population based training went on from where the others were, with values that really changed."""
    reports = trial.reports
    assert reports[-1].epoch == epochs
    for number, run in enumerate(trial.runs, start=1):
        told = [report.epoch for report in reports if report.run == number]
        values = read_json(run.path / VALUES)
        donor, start = values["from"], 0
        if number > 1:
            start = donor["epoch"]
            assert donor["number"] != trial.number
            assert values["values"] != study.trial(donor["number"]).values
            assert (run.checkpoints.parent / "metrics.jsonl").exists()
            assert metrics(run.path, "evaluation")[0]["epoch"] == start + 1
        if told:
            assert told == list(range(told[0], told[0] + len(told))), (trial.folder, told)
            assert told[0] > start
        rates = [line["lr"] for line in metrics(run.path, "train")]
        assert max(rates, default=0) <= values["values"]["optimizer.lr"] * (1 + 1e-6)
