from __future__ import annotations

import json
import re

import pytest
from tests.launcher.report.searches import WHOLE, add, asked, halving, report, values_of

from imgcls.report import tune_figures
from imgcls.report.tune_figures import Undrawn, optuna_quiet
from imgcls.report.tune_levels import levels, telling
from imgcls.report.tune_page import page
from imgcls.report.tune_trials import Trials
from imgcls.tuning.study import Study

LR = {"optimizer.lr": {"log_uniform": [0.01, 3.0]}}
TWO = {**LR, "optimizer.momentum": {"uniform": [0.5, 0.99]}}


@pytest.fixture(autouse=True)
def no_warnings(recwarn, capfd):
    """What Optuna has to say is said on the page, not on standard error."""
    yield
    assert [str(warning.message) for warning in recwarn] == []
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """29 trials with results, of which 9 came to the second rung and 3 to the third."""
    return Trials(halving(tmp_path_factory.mktemp("searches") / "search", 30))


@pytest.fixture
def make_study(tmp_path):
    def make(**changed):
        study = Study(tmp_path / "search")
        study.path.mkdir()
        study.ask(asked(**changed))
        return study

    return make


def body_of(text):
    """The page without plotly's own code."""
    return text.partition("<body>")[2]


def figures_of(text):
    """The figures of a page by name, as plotly is given them."""
    found = {}
    for call in re.split(r"Plotly\.newPlot\(", body_of(text))[1:]:
        decoder = json.JSONDecoder()
        values, rest = [], call.lstrip()
        for _ in range(3):
            value, end = decoder.raw_decode(rest)
            values.append(value)
            rest = rest[end:].lstrip(" ,\n")
        name, data, layout = values
        found[name] = {"data": data, "layout": layout}
    return found


def telling_of(trials):
    return telling(levels(trials))


def parallel_of(trials, level=None):
    with optuna_quiet():
        return tune_figures.parallel(trials.asked, telling_of(trials) if level is None else level)


def test_a_page_stands_alone_and_holds_every_figure(search):
    text = page(search)
    assert 4e6 < len(text.encode()) < 6e6
    body = body_of(text)
    assert re.findall(r"\b(?:src|href)\s*=|<link|<iframe|@import|url\(", body) == []
    assert "<script src" not in text[:2000]
    assert list(figures_of(text)) == [
        "parallel-9", "parallel-3", "parallel-1", "importances", "history", "curves"
    ]  # fmt: skip
    assert body.count("<tr") == 31  # a heading, and a row a trial
    assert "Not assessed, for not every trial has it: augment.rand_augment.magnitude." in body
    assert "None stands for a parameter that a trial does not have." in body
    assert "trial 29: the loss is no number at step 3 &lt;of&gt; 5" in body


def test_the_same_search_gives_the_same_page(search):
    assert page(search) == page(Trials(search.study))


def test_each_rung_has_its_own_parallel_coordinates(search):
    found = levels(search)
    assert [(level.about, len(level.entries)) for level in found] == [
        ("rung 1/3 (5 epochs)", 28),
        ("rung 2/3 (15 epochs)", 10),
        ("rung 3/3 (45 epochs)", 3),
    ]
    for level in found:
        figure = parallel_of(search, level)
        drawn = [line for line in figure.data if line.mode == "lines"]
        assert len(drawn) == len(level.entries)
        for line, entry in zip(drawn, level.entries, strict=True):
            assert line.hovertemplate.startswith(f"trial {entry.trial}<br>")
            assert dict(line.customdata)["momentum"] == f"{entry.values['optimizer.momentum']:.3g}"


def test_axes_are_logarithmic_where_the_space_is_and_choices_are_named(make_study):
    study = make_study(
        domains={**LR, "optimizer.momentum": {"uniform": [0.0, 1.0]}, "model.name": {"choice": ["a", "b"]}}
    )
    for number, (lr, name) in enumerate([(0.01, "a"), (0.1, "b"), (1.0, "a")]):
        values = {"optimizer.lr": lr, "optimizer.momentum": lr, "model.name": name}
        add(study, values, [report(top1=50.0 + number)])
    figure = parallel_of(Trials(study))
    axes = list(figure.layout.xaxis.ticktext)
    assert axes == ["val/top1", "lr", "model", "momentum"]
    heights = [line.y for line in figure.data if line.mode == "lines"]
    assert [line[axes.index("lr")] for line in heights] == pytest.approx([0, 0.5, 1])
    assert [line[axes.index("momentum")] for line in heights] == pytest.approx([0, 0.0909, 1], abs=1e-3)
    texts = [note.text for note in figure.layout.annotations]
    assert {"a", "b", "0.01", "0.1", "1"} <= set(texts)


def test_what_mattered_is_told_of_the_rung_that_most_trials_came_to(search):
    level = telling_of(search)
    assert level.about == "rung 1/3 (5 epochs)"
    with optuna_quiet():
        figure, left_out = tune_figures.importances(search.asked, level)
    found = dict(zip(figure.data[0].y, figure.data[0].x, strict=True))
    assert set(found) == {"lr", "model", "momentum"}
    assert found["lr"] > 0.9  # of what the formula does
    assert sum(found.values()) == pytest.approx(1)
    assert left_out == ["augment.rand_augment.magnitude"]


def test_without_rungs_the_furthest_epoch_that_most_came_to_is_looked_at(make_study):
    study = make_study(scheduler="median", rungs=WHOLE, domains=TWO)
    for number in range(1, 13):
        values = {key: values_of(number)[key] for key in TWO}
        count = 20 if number <= 8 else 5
        add(study, values, [report(i, i + 1, 50.0 + number + i, run=1) for i in range(count)], runs=1)
    trials = Trials(study)
    assert (telling_of(trials).about, len(telling_of(trials).entries)) == ("epoch 20/20", 8)
    body = body_of(page(trials))
    assert "epoch 20/20, 8 trials:" in body
    assert "It takes 10 trials that can be compared; epoch 20/20 has 8." in body


def test_the_best_so_far_never_gets_worse_and_is_of_one_rung(search):
    figure = tune_figures.history(search, levels(search))
    names = [line.name for line in figure.data]
    assert names[:2] == ["rung 1/3 (5 epochs)", "best so far, rung 1/3 (5 epochs)"]
    assert len(names) == 6
    for dots, line in zip(figure.data[::2], figure.data[1::2], strict=True):
        assert list(line.y) == sorted(line.y)
        assert line.y[-1] == max(dots.y)
        assert list(dots.x) == sorted(dots.x)
        assert dots.x[0] >= 0


def test_the_least_loss_is_the_best_so_far(make_study):
    study = make_study(metric="val/loss", scheduler="none", rungs=WHOLE, domains=LR)
    losses = [0.9, 0.5, 0.7, float("nan"), 0.4]
    add(study, {"optimizer.lr": 0.1}, [report(i, i + 1, loss=loss, at=i) for i, loss in enumerate(losses)], runs=1)
    trials = Trials(study)
    figure = tune_figures.history(trials, levels(trials))
    assert list(figure.data[1].y) == [0.9, 0.5, 0.5, 0.4]
    assert len(figures_of(page(trials))["curves"]["data"][0]["y"]) == 5


def test_each_trial_is_a_line_by_rung_and_the_best_is_above_the_others(search):
    figure = tune_figures.curves(search)
    assert figure.data[-1].name == f"trial {search.best.number}"
    assert figure.data[-1].line.width > figure.data[0].line.width
    assert list(figure.data[-1].x) == [1, 3, 9]
    assert list(figure.layout.xaxis.ticktext) == [f"rung {i + 1}/3 ({5 * 3**i} epochs)" for i in range(3)]


def of_none(study):
    pass


def of_waiting(study):
    add(study, {"optimizer.lr": 0.1})


def of_failed(study):
    for _ in range(3):
        add(study, {"optimizer.lr": 0.1}, [report()], "failed", "so")


def of_one(study):
    add(study, {"optimizer.lr": 0.1, "optimizer.momentum": 0.9}, [report()], "finished")


def of_no_numbers(study):
    for _ in range(3):
        add(study, {"optimizer.lr": 0.1}, [report(top1=float("nan"))], "finished")


def of_equals(study):
    for number in range(12):
        add(study, {"optimizer.lr": 0.1 + 0.1 * number, "optimizer.momentum": 0.9}, [report()], "finished")


def of_one_parameter(study):
    for number in range(12):
        add(study, {"optimizer.lr": 0.1 + 0.1 * number}, [report(top1=50.0 + number)], "finished")


def of_equal_values(study):
    for number in range(12):
        add(study, {"optimizer.lr": 0.1, "optimizer.momentum": 0.9}, [report(top1=50.0 + number)], "finished")


@pytest.mark.parametrize(
    ("fill", "said", "drawn"),
    [
        (of_none, "No trial has a result.", []),
        (of_waiting, "No trial has a result.", []),
        (of_failed, "No trial has a result.", ["curves"]),
        (of_no_numbers, "No trial has a result.", ["curves"]),
        (of_one, "There are fewer than two trials at rung 1/3 (5 epochs).", ["history", "curves"]),
        (of_equals, "All trials reached the same val/top1", ["parallel-1", "history", "curves"]),
        (of_one_parameter, "It takes two parameters that every trial has.", ["parallel-1", "history", "curves"]),
        (of_equal_values, "What mattered", ["parallel-1", "importances", "history", "curves"]),
    ],
)
def test_what_cannot_be_shown_is_said(make_study, fill, said, drawn):
    study = make_study(domains=TWO)
    fill(study)
    text = page(Trials(study))
    assert said in body_of(text)
    assert list(figures_of(text)) == drawn


def test_a_search_of_nothing_cannot_be_drawn(make_study):
    trials = Trials(make_study(domains=TWO))
    with pytest.raises(Undrawn, match="No trial has a result"):
        tune_figures.history(trials, levels(trials))
    with pytest.raises(Undrawn, match="No trial has a result"):
        tune_figures.curves(trials)


def test_values_of_every_kind_can_be_drawn(make_study):
    domains = {
        "optimizer.betas": {"choice": [[0.9, 0.99], [0.9, 0.999]]},
        "train.ema": {"choice": [True, False]},
        "train.batch_size": {"choice": [32, 64]},
        "data.mix": {"choice": ["a" * 30 + "1", "a" * 30 + "2", 3, True]},
        "model.depth": {"log_randint": [1, 64]},
        "optimizer.lr": {"log_uniform": [0.01, 1.0]},
    }
    study = make_study(domains=domains)
    for number in range(12):
        values = {
            "optimizer.betas": domains["optimizer.betas"]["choice"][number % 2],
            "train.ema": number % 3 == 0,
            "train.batch_size": 32 << number % 2,
            "data.mix": domains["data.mix"]["choice"][number % 4],
            "model.depth": 1 + number,
            # population based training leaves the ends of the space
            "optimizer.lr": 0.001 * 2**number,
        }
        add(study, values, [report(top1=50.0 + number)], "finished")
    figure = parallel_of(Trials(study))
    assert list(figure.layout.xaxis.ticktext) == ["val/top1", "batch_size", "betas", "depth", "ema", "lr", "mix"]
    text = page(Trials(study))
    assert "importances" in figures_of(text)


def test_a_search_of_which_no_domains_are_known_is_drawn_from_its_values(make_study):
    study = make_study(domains={"optimizer.lr": {}, "model.name": {}})
    for number in range(3):
        add(study, {"optimizer.lr": 0.1 * number, "model.name": f"m{number}"}, [report(top1=50.0 + number)])
    assert list(parallel_of(Trials(study)).layout.xaxis.ticktext) == ["val/top1", "lr", "model"]


def test_text_of_others_is_no_html(make_study):
    bad = "</script><script>alert(1)</script>"
    study = make_study(recipe=bad, domains={"model.name": {"choice": [bad, "b"]}})
    for name in (bad, "b"):
        add(study, {"model.name": name}, [report()], "finished")
    add(study, {"model.name": bad}, [], "failed", bad)
    assert "<script>alert" not in body_of(page(Trials(study)))


def test_confirmations_are_on_the_page(make_study):
    study = make_study(domains=LR)
    add(study, {"optimizer.lr": 0.25}, [report()], "finished")
    rows = [
        {"trial": None, "values": {}, "scores": [97.0, 97.2], "mean": 97.1, "spread": 0.14},
        {"trial": 1, "values": {"optimizer.lr": 0.25}, "scores": [98.0, 98.2], "mean": 98.1, "spread": 0.14},
    ]
    (study.path / "confirm.json").write_text(json.dumps({"seeds": [2, 3], "metric": "val/top1", "rows": rows}))
    body = body_of(page(Trials(study)))
    assert "confirmed: val/top1 of seeds 2, 3" in body
    assert "<td>trial 1</td><td>98.10</td><td>0.14</td><td>+1.00</td><td>98.00, 98.20</td><td>lr 0.25</td>" in body


def test_optuna_may_speak_again_afterwards(search):
    import optuna

    before = optuna.logging.get_verbosity()
    page(search)
    assert optuna.logging.get_verbosity() == before
