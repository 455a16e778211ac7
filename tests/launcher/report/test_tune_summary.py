from __future__ import annotations

import json

import pytest
from tests.launcher.report.searches import WHOLE, add, asked, halving, report, values_of

from imgcls.errors import UserError
from imgcls.report.tune_summary import as_data, lines
from imgcls.report.tune_trials import Trials
from imgcls.tuning.study import Study

LR = {"optimizer.lr": {"log_uniform": [0.01, 3.0]}}
CONFIRMED = {
    "seeds": [2, 3, 4],
    "metric": "val/top1",
    "rows": [
        {"trial": None, "values": {}, "scores": [97.0, 97.2, 97.1], "mean": 97.1, "spread": 0.1},
        {"trial": 7, "values": {"optimizer.lr": 0.25}, "scores": [98.0, 98.3], "mean": 98.15, "spread": 0.212},
        {"trial": 8, "values": {"optimizer.lr": 2.5}, "scores": [96.0], "mean": 96.0, "spread": 0.0},
        {"trial": 9, "values": {"optimizer.lr": 3.0}, "scores": [], "mean": None, "spread": 0.0},
    ],
}


@pytest.fixture
def make_study(tmp_path):
    def make(**changed):
        study = Study(tmp_path / "search")
        study.path.mkdir()
        study.ask(asked(**changed))
        return study

    return make


def test_a_search_is_a_table_of_its_trials_the_best_first(make_study):
    study = make_study(trials=9)
    value = {"optimizer.lr": 0.123456, "model.name": "resnet18", "optimizer.momentum": 0.9}
    add(study, value, [report(top1=80.0)], "stopped")
    add(study, value, [report(top1=60.0), report(1, 3, top1=70.0, loss=0.5)], "finished")
    add(study, value, [report(top1=75.0)], decisions=["PAUSE"])
    add(study, value, [], "failed", why="out of memory", runs=1)
    add(study, {**value, "model.name": "resnet34", "augment.rand_augment.magnitude": 7})
    add(study, value, [report(top1=73.0), report(1, 1, top1=74.0)], decisions=["PAUSE"])
    found = lines(Trials(study))
    assert found[0] == (
        "digits_tune: val/top1 (more is better), tpe search, asha, rungs of 5 epochs, 15 epochs, 45 epochs"
    )
    assert [line.split() for line in found[2:9]] == [
        ["trial", "lr", "model", "magnitude", "momentum", "top1", "top5", "loss", "reached", "state", "run"],
        [
            *[
                "2",
                "*",
                "0.1235",
                "resnet18",
                "-",
                "0.9",
                "70.00",
                "90.00",
                "0.5000",
                "rung",
                "2/3",
                "(15",
                "epochs)",
                "finished",
                "trials/0002/run-2",
            ]
        ],
        [
            *[
                "1",
                "0.1235",
                "resnet18",
                "-",
                "0.9",
                "80.00",
                "90.00",
                "1.3333",
                "rung",
                "1/3",
                "(5",
                "epochs)",
                "stopped",
                "trials/0001/run-1",
            ]
        ],
        [
            *[
                "3",
                "0.1235",
                "resnet18",
                "-",
                "0.9",
                "75.00",
                "90.00",
                "1.5000",
                "rung",
                "1/3",
                "(5",
                "epochs)",
                "paused",
                "trials/0003/run-1",
            ]
        ],
        [
            *[
                "6",
                "0.1235",
                "resnet18",
                "-",
                "0.9",
                "74.00",
                "90.00",
                "1.5333",
                "rung",
                "1/3",
                "(5",
                "epochs)",
                "begun",
                "trials/0006/run-2",
            ]
        ],
        [*["5", "0.1235", "resnet34", "7", "0.9", "-", "-", "-", "-", "waiting", "-"]],
        [*["4", "0.1235", "resnet18", "-", "0.9", "-", "-", "-", "-", "failed", "trials/0004/run-1"]],
    ]
    assert len({line.index("0.1235") for line in found[3:9]}) == 1  # columns stand below each other
    assert found[9:] == [
        "",
        "6 of 9 trials: 1 finished, 1 stopped, 1 begun, 1 paused, 1 waiting, 1 failed",
        "trial 4 failed: out of memory",
        "best: trial 2, top1 70.00 at rung 2/3 (15 epochs): lr 0.1235, model resnet18, momentum 0.9",
        f"      {study.best} is written when the search ends",
    ]


def test_the_best_says_how_it_is_launched_once_its_recipe_is_there(make_study):
    study = make_study()
    add(study, values_of(1), [report()], "finished")
    study.best.write_text("seed = 1\n")
    assert lines(Trials(study))[-1] == f"      imgcls launch {study.best}"
    assert as_data(Trials(study))["best_recipe"] == str(study.best)


def test_only_the_best_are_listed_where_so_many_are_asked_for(tmp_path):
    trials = Trials(halving(tmp_path / "search", 12))
    found = lines(trials, 3)
    assert found[6] == "and 9 more: give a larger --top"
    assert found[7:9] == ["", "12 of 40 trials: 1 finished, 9 stopped, 1 waiting, 1 failed"]
    assert [row["trial"] for row in as_data(trials, 3)["trials"]] == [row.number for row in trials.rows[:3]]
    assert lines(trials, 12) == lines(trials)


def test_a_search_that_has_no_trial_yet_says_so(make_study):
    found = lines(Trials(make_study()))
    assert found[2].split()[:2] == ["trial", "lr"]
    assert found[-2:] == ["0 of 40 trials: none yet", "no trial has a result yet"]


def test_a_loss_is_best_where_it_is_least_and_no_number_is_worst(make_study):
    study = make_study(metric="val/loss", scheduler="none", rungs=WHOLE, domains=LR)
    for loss in (float("nan"), 0.5, 0.25, 0.75):
        add(study, {"optimizer.lr": 0.1}, [report(time=20, loss=loss)], "finished")
    trials = Trials(study)
    assert [row.number for row in trials.rows] == [3, 2, 4, 1]
    assert lines(trials)[0] == "digits_tune: val/loss (less is better), tpe search, no scheduler"
    assert lines(trials)[-2] == "best: trial 3, loss 0.2500 at epoch 20/20: lr 0.1"


def test_values_that_were_taken_over_are_shown_and_the_first_ones_are_kept(make_study):
    study = make_study(scheduler="pbt", rungs=WHOLE, domains=LR)
    trial = add(study, {"optimizer.lr": 0.1}, [report(0, 1), report(1, 2)])
    (trial.run(2).path / "values.json").write_text('{"values": {"optimizer.lr": 0.12}}')
    row = Trials(study).rows[0]
    assert (row.began, row.values) == ({"optimizer.lr": 0.1}, {"optimizer.lr": 0.12})
    assert row.values_at == ({"optimizer.lr": 0.1}, {"optimizer.lr": 0.12})


def test_confirmations_are_shown_beside_the_recipe_itself(make_study):
    study = make_study(domains=LR)
    add(study, {"optimizer.lr": 0.25}, [report()], "finished")
    (study.path / "confirm.json").write_text(json.dumps(CONFIRMED))
    found = lines(Trials(study))
    start = found.index("confirmed: val/top1 of seeds 2, 3, 4")
    assert found[start + 1 :] == [
        "what        mean   spread  to the recipe  scores                  values",
        "the recipe  97.10  0.10    -              97.00, 97.20, 97.10     as written",
        "trial 7     98.15  0.21    +1.05          98.00, 98.30, 1 failed  lr 0.25",
        "trial 8     96.00  -       -1.10          96.00, 2 failed         lr 2.5",
        "trial 9     -      -       -              3 failed                lr 3",
    ]
    data = as_data(Trials(study))["confirmed"]
    assert data["seeds"] == [2, 3, 4]
    assert [row["to_the_recipe"] for row in data["rows"]] == [
        None,
        pytest.approx(1.05),
        pytest.approx(-1.1),
        None,
    ]


def test_plain_data_is_json_with_everything(make_study):
    study = make_study()
    add(study, values_of(3), [report(top1=80.0, loss=float("inf")), report(1, 3, top1=81.0)], "stopped", "so")
    data = as_data(Trials(study))
    again = json.loads(json.dumps(data, allow_nan=False))
    assert again == data
    assert data["states"] == {"stopped": 1}
    row = data["trials"][0]
    assert (row["trial"], row["values"], row["state"], row["why"]) == (1, values_of(3), "stopped", "so")
    assert (row["top1"], row["time"], row["run"]) == (81.0, 3, str(study.path / "trials/0001/run-2"))
    assert [(each["top1"], each["loss"]) for each in row["reports"]] == [(80.0, None), (81.0, pytest.approx(1.3))]


def test_a_folder_that_is_no_search_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "none", tmp_path / "file"):
        with pytest.raises(UserError, match=f"^{path}: is no folder of `imgcls tune`"):
            Trials(Study(path))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tune.json", "{}"),
        ("tune.json", "["),
        ("trials/0001/trial.json", "{}"),
        ("trials/0001/trial.json", "{"),
        ("trials/0001/reports.jsonl", '{"top9": 3}\n'),
        ("trials/0001/end.json", "{}"),
        ("confirm.json", '{"rows": []}'),
        ("confirm.json", '{"seeds": [1], "metric": "val/top1", "rows": [{"mean": 3}]}'),
    ],
)
def test_a_damaged_file_is_no_traceback(make_study, file, text):
    study = make_study()
    add(study, values_of(1), [report()], "finished")
    (study.path / file).write_text(text)
    with pytest.raises(UserError, match="damaged, or of another version of imgcls") as raised:
        lines(Trials(study))
    assert file.partition("/")[0] in str(raised.value)


def test_a_line_that_is_being_written_is_not_there_yet(make_study):
    study = make_study()
    trial = add(study, values_of(1), [report(top1=80.0)])
    with (trial.folder / "reports.jsonl").open("a") as file:
        file.write('{"index": 1, "ru')
    assert [each.top1 for each in Trials(study).rows[0].reports] == [80.0]
