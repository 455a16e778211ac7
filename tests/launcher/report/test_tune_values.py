from __future__ import annotations

import pytest
from tests.launcher.report.searches import WHOLE, asked, report

from imgcls.report.tune_values import labels, reached, scored, searched, short, span, worded


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (3.0, "3"),
        (1e-5, "1e-05"),
        (123456, "123456"),
        (True, "true"),
        ("resnet18", "resnet18"),
        ([1, 0.5], "[1,0.5]"),
        ({"name": "sgd"}, '{"name":"sgd"}'),
        ("a" * 40, "a" * 23 + "…"),
    ],
)
def test_a_value_is_written_in_a_few_characters(value, text):
    assert short(value) == text


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["optimizer.lr", "model.name"], ["lr", "model"]),
        (["model.drop_path", "augment.rand_augment.magnitude"], ["drop_path", "magnitude"]),
        (["augment.a.p", "augment.b.p"], ["a.p", "b.p"]),
        (["optimizer.name", "optimizer.lr", "schedule.lr"], ["optimizer", "optimizer.lr", "schedule.lr"]),
        (["model", "model.name"], ["model", "model.name"]),
        (["seed"], ["seed"]),
        ([], []),
    ],
)
def test_a_key_goes_by_its_shortest_end_that_no_other_has(keys, names):
    assert labels(keys) == dict(zip(keys, names, strict=True))


def test_values_are_those_of_the_space_in_its_order():
    found = searched(asked(), {"train.epochs": 5, "model.name": "resnet18", "optimizer.lr": 0.123456})
    assert list(found) == ["optimizer.lr", "model.name"]
    assert worded(found, labels(asked().space)) == "lr 0.1235, model resnet18"


def test_of_a_search_without_a_space_all_values_are_shown():
    assert searched(asked(domains={}), {"seed": 3, "optimizer.lr": 0.1}) == {"seed": 3, "optimizer.lr": 0.1}


def test_how_far_a_trial_came_is_its_rung_or_its_epoch():
    assert reached(asked(), None) == ""
    assert reached(asked(), report(time=3)) == "rung 2/3 (15 epochs)"
    assert reached(asked(scheduler="median", rungs=WHOLE), report(time=7)) == "epoch 7/20"
    assert reached(asked(), report(time=5, epoch=8)) == "8 epochs"  # of no rung of this search


def test_percents_have_two_decimals_and_a_loss_four():
    assert (scored("top1", 98.3333), scored("loss", 0.123456)) == ("98.33", "0.1235")


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (754, "12:34"), (36610, "10:10:10")])
def test_a_time_is_minutes_and_seconds_with_hours_where_there_are_any(seconds, text):
    assert span(seconds) == text
