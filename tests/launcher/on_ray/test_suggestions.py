"""What is tried next, by Optuna's samplers: in the space, never twice, and the same search after any kill."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from imgcls.errors import UserError
from imgcls.on_ray.suggestions import Suggestions
from imgcls.tuning.space import Choice, LogUniform, Parameter, Randint, Uniform
from imgcls.tuning.study import Asked, Report, Rung, Study

SPACE = (
    Parameter("optimizer.name", Choice(("sgd", "adamw"))),
    Parameter("optimizer.lr", LogUniform(0.01, 1.0)),
    Parameter("optimizer.momentum", Uniform(0.5, 0.9, 0.1), (("optimizer.name", ("sgd",)),)),
    Parameter("train.batch_size", Randint(16, 64, 16)),
    Parameter("input.mean", Choice(([0.5], [0.2, 0.3, 0.4]))),
)
GRID = (
    Parameter("optimizer.name", Choice(("sgd", "adamw", "lars"))),
    Parameter("optimizer.momentum", Uniform(0.5, 0.9, 0.2), (("optimizer.name", ("sgd", "lars")),)),
    Parameter("optimizer.nesterov", Choice((True, False)), (("optimizer.name", ("sgd",)),)),
    Parameter("train.batch_size", Randint(32, 64, 32)),
)


class Searched:
    """A search whose trials end at once, with what a function makes of their values."""

    def __init__(self, folder: Path, search: str, trials: int, space: Any = SPACE, check: Any = None) -> None:
        rungs = (Rung(3, 1.0, "3 epochs"),)
        self.asked = Asked("x", "val/top1", trials, search, "none", "epochs", None, 5, 3, 1, rungs, 1, 1.0, {}, {})
        self.study, self.space, self.check = Study(folder), space, check or (lambda _values: None)
        self.said: list[tuple[int, str, str]] = []
        self.begin()

    def begin(self, most: int = 2) -> None:
        """Begin, or go on in another process."""

        def say(trial: Any, state: str, why: str) -> None:
            self.said.append((trial.number, state, why))

        self.suggestions = Suggestions(self.study, self.asked, self.space, most, self.check, say)
        self.suggestions.add_configurations(
            tune.Experiment("x", _never, storage_path=str(self.study.path / "ray"))
        )

    def next(self) -> str | None:
        trial = self.suggestions.next_trial()
        return None if trial is None else trial.trial_id

    def end(self, name: str, score: float) -> None:
        trial = self.study.trial(int(name))
        trial.report(Report(0, 1, 3, 3, 9, score, 99.0, 1.0, 0.0))
        result = {"score": score, "training_iteration": 1, "failed": "", "last": True, "done": True}
        self.suggestions.on_trial_complete(name, result)

    def to_the_end(self, killed: bool) -> list[dict[str, Any]]:
        """Two trials at a time; return the values of all."""
        running: list[str] = []
        while not self.suggestions.is_finished() or running:
            while (name := self.next()) is not None:
                running.append(name)
            if not running:
                break
            name = running.pop(0)
            self.end(name, 50.0 + 10 * self.study.trial(int(name)).values.get("optimizer.lr", 0.0))
            if killed:
                self.begin()
                running = []
        return [trial.values for trial in self.study.trials]


def _never(_config: Any) -> None:
    raise AssertionError("nothing is trained here")


def _key(values: dict[str, Any]) -> str:
    return str(sorted(values.items()))


@pytest.mark.parametrize("killed", [False, True], ids=["calm", "killed after each trial"])
@pytest.mark.parametrize("search", ["random", "tpe", "bayesian"])
def test_all_trials_are_in_the_space_and_none_is_tried_twice(tmp_path, search, killed):
    values = Searched(tmp_path, search, 12).to_the_end(killed)
    assert len(values) == 12
    assert len({_key(each) for each in values}) == 12
    for each in values:
        assert ("optimizer.momentum" in each) == (each["optimizer.name"] == "sgd")
        assert 0.01 <= each["optimizer.lr"] <= 1.0
        assert round(each.get("optimizer.momentum", 0.5), 9) in (0.5, 0.6, 0.7, 0.8, 0.9)
        assert each["train.batch_size"] in (16, 32, 48, 64)
        assert each["input.mean"] in ([0.5], [0.2, 0.3, 0.4])
    assert {each["optimizer.name"] for each in values} == {"sgd", "adamw"}


@pytest.mark.parametrize("killed", [False, True], ids=["calm", "killed after each trial"])
def test_a_grid_is_every_combination_once_and_then_there_are_no_more(tmp_path, killed):
    searched = Searched(tmp_path, "grid", 100, GRID)
    values = searched.to_the_end(killed)
    momenta, sizes = (0.5, 0.7, 0.9), (32, 64)
    wanted = [{"optimizer.name": "adamw", "train.batch_size": size} for size in sizes]
    for name, momentum, size in product(("sgd", "lars"), momenta, sizes):
        each = {"optimizer.name": name, "optimizer.momentum": momentum, "train.batch_size": size}
        more = ({"optimizer.nesterov": n} for n in (True, False)) if name == "sgd" else ({},)
        wanted += [{**each, **other} for other in more]
    assert sorted(map(_rounded, values)) == sorted(map(_rounded, wanted))
    # and the same command once more finds none
    searched.begin()
    assert searched.next() is None
    assert searched.suggestions.is_finished()


def _rounded(values: dict[str, Any]) -> str:
    return _key({k: round(v, 9) if isinstance(v, float) else v for k, v in values.items()})


def test_trials_that_had_begun_go_on_with_their_own_values_before_new_ones(tmp_path):
    searched = Searched(tmp_path, "tpe", 4)
    assert [searched.next(), searched.next(), searched.next()] == ["0001", "0002", None]
    before = [trial.values for trial in searched.study.trials]
    searched.end("0002", 60.0)
    searched.begin()
    first = searched.suggestions.next_trial()
    assert first.trial_id == "0001"
    assert first.config["values"] == before[0]
    assert searched.next() == "0003"
    assert [trial.values for trial in searched.study.trials][:2] == before


def test_a_trial_whose_stop_was_decided_and_not_carried_out_is_stopped(tmp_path):
    searched = Searched(tmp_path, "random", 2)
    assert searched.next() == "0001"
    trial = searched.study.trial(1)
    trial.report(Report(0, 1, 1, 1, 3, 40.0, 99.0, 1.0, 0.0))
    trial.decide("STOP")
    searched.begin()
    assert trial.state == "stopped"
    assert searched.next() == "0002"


def test_values_that_do_not_go_together_fail_with_the_reason_and_the_next_are_tried(tmp_path):
    def check(values: dict[str, Any]) -> None:
        if values["optimizer.name"] == "sgd":
            raise UserError("sgd does not go with it")

    searched = Searched(tmp_path, "random", 8, check=check)
    searched.to_the_end(killed=False)
    trials = searched.study.trials
    assert len(trials) == 8
    for trial in trials:
        failed = trial.values["optimizer.name"] == "sgd"
        assert trial.end["state"] == ("failed" if failed else "finished")
        assert not failed or ("sgd does not go with it" in trial.end["why"])
        assert not failed or (trial.number, "failed", "sgd does not go with it") in searched.said
    assert {trial.state for trial in trials} == {"failed", "finished"}


def test_a_trial_of_another_space_is_named(tmp_path):
    searched = Searched(tmp_path, "random", 3)
    searched.study.add({"optimizer.decay": 0.5})
    with pytest.raises(UserError, match=r"0001/trial\.json: was tried in another space; .*another --name"):
        searched.begin()


def test_a_search_that_is_killed_often_does_not_draw_again_what_it_drew_at_its_beginning(tmp_path):
    # so many draws that have been tried already would be taken for the end of the space
    values = Searched(tmp_path, "random", 56, SPACE[1:2]).to_the_end(killed=True)
    assert len({_key(each) for each in values}) == 56


def test_optuna_learns_from_trials_of_earlier_launches(tmp_path):
    space = (Parameter("optimizer.lr", Uniform(0.0, 1.0)),)
    searched = Searched(tmp_path, "tpe", 40, space)
    later = [values["optimizer.lr"] for values in searched.to_the_end(killed=True)][20:]
    # the score rises with it; at random half of them would be in the upper half
    assert sum(value > 0.5 for value in later) >= 15
