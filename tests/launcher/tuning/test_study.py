"""The folder of a search: what is written is found again, and what was cut off is not there."""

import json

import pytest

from imgcls.errors import UserError
from imgcls.tuning.study import VALUES, Asked, Report, Rung, Study, ranked, value_of

RUNGS = (Rung(1, 1 / 3, "2 epochs"), Rung(3, 1.0, "6 epochs"))


def asked(**other):
    what = {
        "recipe": "digits",
        "metric": "val/top1",
        "trials": 4,
        "search": "random",
        "scheduler": "asha",
        "fidelity": "epochs",
        "holdout": 0.25,
        "seed": 3,
        "reduction": 3,
        "perturb_every": 1,
        "rungs": RUNGS,
        "workers": 1,
        "cpus": 0.5,
        "space": {"optimizer.lr": "[0.1, 0.2]"},
        "domains": {"optimizer.lr": {"choice": [0.1, 0.2]}},
    }
    return Asked(**{**what, **other})


def report(index, top1=50.0, loss=1.0, time=None):
    return Report(index, index + 1, index + 1 if time is None else time, 2, 60, top1, 99.0, loss, 1.5e9)


@pytest.fixture
def study(tmp_path):
    (tmp_path / "trials").mkdir()
    return Study(tmp_path)


def test_what_was_asked_for_is_found_again(study):
    study.ask(asked())
    found = study.asked
    assert found == asked()
    assert found.rungs == RUNGS


def test_a_folder_without_a_search_and_a_damaged_one_are_named(study):
    with pytest.raises(UserError, match=r"is no folder of `imgcls tune`"):
        _ = study.asked
    (study.path / "tune.json").write_text('{"recipe": ')
    with pytest.raises(UserError, match=r"tune\.json: is damaged"):
        _ = study.asked
    (study.path / "tune.json").write_text('{"rungs": [], "unknown": 1}')
    with pytest.raises(UserError, match=r"of another version"):
        _ = study.asked


def test_trials_are_numbered_one_after_another_and_keep_their_values(study):
    values = [{"optimizer.lr": 0.1}, {"optimizer.lr": 0.2, "model.name": "lenet5"}]
    assert [study.add(each).number for each in values] == [1, 2]
    assert [trial.values for trial in study.trials] == values
    assert [trial.state for trial in study.trials] == ["waiting", "waiting"]


def test_a_trial_whose_folder_was_just_made_when_the_search_was_killed_is_not_there(study):
    study.add({"a": 1})
    (study.path / "trials/0002").mkdir()
    (study.path / "trials/0002/.trial.json.77").write_text('{"val')
    assert [trial.number for trial in study.trials] == [1]
    assert study.add({"a": 2}).number == 2
    assert [trial.values for trial in study.trials] == [{"a": 1}, {"a": 2}]


def test_reports_and_decisions_that_were_cut_off_are_not_there_and_do_not_spoil_the_next(study):
    trial = study.add({})
    trial.report(report(0))
    trial.decide("CONTINUE")
    for name in ("reports", "decisions"):
        with (trial.folder / f"{name}.jsonl").open("a") as file:
            file.write('{"index": 1, "ru')
    assert trial.reports == [report(0)]
    assert trial.decisions == ["CONTINUE"]
    trial.report(report(1))
    trial.decide("STOP")
    assert trial.reports == [report(0), report(1)]
    assert trial.decisions == ["CONTINUE", "STOP"]


def test_a_run_has_begun_when_its_values_are_written(study):
    trial = study.add({"a": 1})
    assert trial.values_now == {"a": 1}
    for number in (1, 2, 10):
        trial.run(number).path.mkdir()
        assert trial.state == ("waiting" if number == 1 else "begun")
        (trial.run(number).path / VALUES).write_text(json.dumps({"values": {"a": number}, "from": None}))
    # of one that a process died in while it made it
    trial.run(11).path.mkdir()
    trial.run(11).plan.write_text("{}")
    assert [run.path.name for run in trial.runs] == ["run-1", "run-2", "run-10"]
    assert trial.values_now == {"a": 10}
    assert trial.values == {"a": 1}


def test_the_end_of_a_trial_says_how_and_why(study):
    trial = study.add({})
    assert trial.end is None
    trial.ended("failed", "the loss is no number")
    assert trial.end == {"state": "failed", "why": "the loss is no number"}
    assert trial.state == "failed"


def test_the_best_is_the_best_of_those_that_came_furthest(study):
    for reports in ([report(0, 90)], [report(0, 20), report(1, 70)], [report(0, 60), report(1, 80)], []):
        trial = study.add({})
        for each in reports:
            trial.report(each)
    assert [trial.number for trial, _ in ranked(study, asked())] == [3, 2, 1]
    study.trial(3).ended("failed", "x")
    assert [trial.number for trial, _ in ranked(study, asked())] == [2, 1]


def test_of_losses_the_lowest_is_best_and_no_number_is_worst(study):
    what = asked(metric="val/loss")
    for loss in (0.5, float("nan"), 0.2, 3.0):
        study.add({}).report(report(0, loss=loss))
    assert [trial.number for trial, _ in ranked(study, what)] == [3, 1, 4, 2]
    assert what.better(0.2, 0.5)
    assert not asked().better(0.2, 0.5)


def test_equal_trials_rank_by_their_numbers(study):
    for _ in range(3):
        study.add({}).report(report(0))
    assert [trial.number for trial, _ in ranked(study, asked())] == [1, 2, 3]


def test_a_trial_has_the_value_of_its_last_report():
    assert value_of(asked(), []) is None
    assert value_of(asked(), [report(0, 90), report(1, 70)]) == 70
