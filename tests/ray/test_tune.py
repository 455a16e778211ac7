"""Searches to their end: each way to search and to decide, and trials that are exact whatever their process did before."""

import json
import sys
from pathlib import Path

import pytest
from tests.faults.processes import Ended, Launch, assert_same_end, imgcls, metrics, result

from imgcls.tuning.study import Study

SCRIPT = Path(__file__).with_name("listed_search.py")
RECIPE = """
model = "lenet5"
data = { name = "digits", validation = 0.2 }
optimizer = { name = "sgd", lr = 0.05 }
schedule = { name = "cosine", warmup_epochs = 0.5 }
augment = [{ name = "random_crop", padding = 2 }]
train = { epochs = 2, batch_size = 64 }
"""
ADAMW = {"optimizer.name": "adamw", "optimizer.lr": 0.002, "train.ema": 0.9, "train.batch_size": 48}
VALUES = [
    {"model.name": "resnet20_cifar", "data.fraction": 0.1, "train.precision": "bf16", "train.epochs": 1},
    {"optimizer.lr": 1e30, "model.activation": "relu"},
    {"progressive.size": 64},  # a plan refuses it: images are 32 pixels at the end
    {"model.activation": "relu", "train.deterministic": False, "train.accumulate": 2},
    {**ADAMW, "loss.label_smoothing": 0.1, "sampling.balance": 1.0},
    {},
]


def _alone(folder: Path, study: Study, number: int) -> Path:
    """Launch the recipe of a trial in a process of its own, without Ray."""
    run, name = study.trial(number).run(1), f"alone-{number}"
    ended = imgcls("launch", run.recipe, "--workers", 0, "--name", name, cwd=folder)
    assert ended.code == 0, ended
    return folder / "runs" / name


def test_a_trial_ends_bit_for_bit_as_alone_whatever_its_process_did_before(tmp_path):
    study = Study(tmp_path / "study")
    study.path.mkdir()
    study.recipe.write_text(RECIPE)
    (tmp_path / "values.json").write_text(json.dumps(VALUES))
    with Launch([SCRIPT, study.path, "values.json"], tmp_path, command=(sys.executable,)) as search:
        ended = search.ended()
        search.nothing_left(within=10)
    assert ended.code == 0, ended
    states = [trial.state for trial in study.trials]
    assert states == ["finished", "failed", "failed", "finished", "finished", "finished"]
    assert "is not a finite number" in study.trial(2).end["why"]
    assert "is not less than the 32 pixels" in study.trial(3).end["why"]
    assert not study.trial(3).runs
    # one process, which the failures did not end
    assert len(set(_processes(study, 1, 2, 4, 5, 6))) == 1
    for number in (5, 6):
        assert_same_end(study.trial(number).run(1).path, _alone(tmp_path, study, number))
    assert result(study.trial(6).run(1).path)["top1"] == study.trial(6).reports[-1].top1


def _processes(study: Study, *numbers: int) -> list[str]:
    return [(study.trial(number).run(1).path / ".lock").read_text() for number in numbers]


SPACED = """
extends = "digits_lenet.toml"
train = {{ epochs = 2, batch_size = 64 }}
[tune]
search = "{search}"
scheduler = "{scheduler}"
trials = {trials}
rungs = 2
fidelity = "samples"
[tune.space]
{space}
"""


def _searched(
    folder: Path, search: str, scheduler: str, trials: int, space: str, code: int = 0
) -> tuple[Study, Ended]:
    text = SPACED.format(search=search, scheduler=scheduler, trials=trials, space=space)
    (folder / "spaced.toml").write_text(text)
    shipped = Path(__file__).parents[2] / "recipes/digits_lenet.toml"
    (folder / "digits_lenet.toml").write_text(shipped.read_text())
    ended = imgcls("tune", "spaced.toml", "--plain", cwd=folder)
    assert ended.code == code, ended
    assert ended.err == "", ended
    return Study(folder / "runs/spaced"), ended


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_grid_is_tried_whole_and_each_once_and_what_fails_is_named(tmp_path):
    space = """
"optimizer.name" = ["adamw", "sgd"]
"optimizer.lr" = [0.01, 1e30]
"optimizer.nesterov" = { choice = [true, false], when = { "optimizer.name" = "sgd" } }
"model.activation" = ["relu"]
"""
    study, ended = _searched(tmp_path, "grid", "median", 20, space)
    assert "the space has no more values: 6 trials, not 20" in ended.out
    wanted = {("adamw", lr, None) for lr in (0.01, 1e30)}
    wanted |= {("sgd", lr, nesterov) for lr in (0.01, 1e30) for nesterov in (True, False)}
    keys = ("optimizer.name", "optimizer.lr", "optimizer.nesterov")
    assert sorted(map(str, wanted)) == sorted(str(tuple(t.values.get(k) for k in keys)) for t in study.trials)
    for trial in study.trials:
        fails = trial.values["optimizer.lr"] == 1e30
        assert (trial.state == "failed") == fails
        assert not fails or "is not a finite number" in trial.end["why"]
    # the same command once more changes nothing
    before = {trial.number: trial.end for trial in study.trials}
    again = imgcls("tune", "spaced.toml", "--plain", cwd=tmp_path)
    assert again.code == 0, again
    assert before == {trial.number: trial.end for trial in study.trials}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_hyperband_compares_what_a_gaussian_process_finds(tmp_path):
    space = '"optimizer.lr" = { log_uniform = [1e-4, 1.0] }\n"optimizer.momentum" = { uniform = [0.5, 0.95] }'
    study, _ = _searched(tmp_path, "bayesian", "hyperband", 5, space)
    trials = study.trials
    assert len({trial.values["optimizer.lr"] for trial in trials}) == 5
    states = [trial.state for trial in trials]
    assert set(states) == {"finished", "stopped"}
    whole = [trial for trial in trials if trial.state == "finished"]
    for trial in trials:
        assert len(trial.reports) == (2 if trial.state == "finished" else 1)
    # the first rung has a third of the samples, and as many epochs
    samples = [metrics(trials[0].run(1).path, "epoch")[0]["n"], metrics(whole[0].run(2).path, "epoch")[0]["n"]]
    assert samples == [479, 1438]
    first = {trial.number: trial.reports[0].top1 for trial in trials}
    gone = [first[trial.number] for trial in trials if trial.state == "stopped"]
    assert max(gone) <= max(first.values())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_where_every_trial_fails_the_search_says_why_and_ends_in_an_error(tmp_path):
    space = '"optimizer.lr" = [1e29, 1e30]\n"model.activation" = ["relu"]'
    study, ended = _searched(tmp_path, "tpe", "none", 2, space, code=1)
    assert "every trial failed:" in ended.out
    assert "is not a finite number" in ended.out
    assert [trial.state for trial in study.trials] == ["failed"] * 2
    assert not study.best.exists()
