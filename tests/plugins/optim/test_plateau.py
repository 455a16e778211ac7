"""The schedule that waits for an evaluation's figure: its rule, its state."""

from __future__ import annotations

import json
import math

import pytest
import torch

from imgcls import UserError
from imgcls_optim.schedules.plateau import Plateau, build


def plateau(**options):
    return build(Plateau(**options), total_steps=100, steps_per_epoch=10)


def factors(schedule, values, metric="top1"):
    found = []
    for value in values:
        schedule.evaluated({"top1": 0.0, "loss": 0.0, "n": 10.0, metric: value})
        found.append(schedule(50))
    return found


def test_the_rate_falls_after_as_many_evaluations_that_are_no_better():
    found = factors(plateau(patience=2, factor=0.5), [10, 20, 20, 19, 25, 25, 25, 25, 25])
    assert found == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_a_loss_shall_fall():
    schedule = plateau(metric="loss", patience=1, factor=0.1)
    assert factors(schedule, [2.0, 1.0, 1.5, 0.5], "loss") == pytest.approx([1, 1, 0.1, 0.1])


def test_better_is_more_than_a_share_of_the_best():
    assert factors(plateau(patience=1, threshold=0.1), [50, 54.9]) == pytest.approx([1, 0.1])
    assert factors(plateau(patience=1, threshold=0.1), [50, 55.1]) == [1, 1]
    assert factors(plateau(metric="loss", patience=1, threshold=0.1), [1, 0.91], "loss") == pytest.approx([1, 0.1])
    assert factors(plateau(metric="loss", patience=1, threshold=0.1), [1, 0.89], "loss") == [1, 1]


def test_it_does_not_fall_below_the_least_factor():
    assert factors(plateau(patience=1, least=0.02), [1, 1, 1, 1]) == pytest.approx([1, 0.1, 0.02, 0.02])


def test_what_is_no_number_is_no_better_and_no_best():
    assert factors(plateau(patience=2), [math.nan, 5, math.nan, 5]) == pytest.approx([1, 1, 1, 0.1])


def test_it_agrees_with_torchs():
    torch.manual_seed(0)
    values = torch.rand(200).tolist()
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    torchs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="min", patience=3, factor=0.9, threshold=1e-4
    )
    schedule = plateau(metric="loss", patience=4, factor=0.9)  # torch waits for one more than its patience
    for value in values:
        torchs.step(value)
        schedule.evaluated({"loss": value})
        assert schedule(50) == pytest.approx(optimizer.param_groups[0]["lr"])


def test_a_warm_up_comes_first():
    schedule = plateau(patience=1, warmup_steps=4)
    assert [schedule(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_its_state_goes_through_json_at_any_time():
    values = [3, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5]
    for cut in range(len(values)):
        whole, first, rest = (plateau(patience=2, factor=0.5) for _ in range(3))
        before = factors(first, values[:cut])
        rest.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
        assert before + factors(rest, values[cut:]) == factors(whole, values)
        assert all(isinstance(value, float | int) for value in rest.state().values())


def test_a_figure_that_is_not_there_is_said():
    with pytest.raises(UserError, match=r'metric = "loss" is not among what the evaluation gives: n, top1'):
        plateau(metric="loss").evaluated({"top1": 1.0, "n": 3.0})
