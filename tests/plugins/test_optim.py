"""Schedules are functions of the update's number; optimizers and losses are torch's."""

import itertools
import math

import pytest
import torch
from torch import nn

from imgcls import UserError
from imgcls_optim import losses, optimizers, schedules
from imgcls_optim.options import SGD, Constant, Cosine, CrossEntropy, Step


def test_half_a_cosine_from_one_to_the_final_factor():
    for final in (0.0, 0.01, 0.5, 1.0):
        rate = schedules.cosine(Cosine(final=final), total_steps=100, steps_per_epoch=10)
        assert rate(0) == 1.0
        assert rate(50) == pytest.approx((1 + final) / 2)
        assert rate(100) == pytest.approx(final)
        for step in range(100):
            assert rate(step) == pytest.approx(final + (1 - final) * (1 + math.cos(math.pi * step / 100)) / 2)


each_schedule = pytest.mark.parametrize("make", [
    lambda **o: schedules.cosine(Cosine(**o), 100, 10),
    lambda **o: schedules.step(Step(milestones=(10.0,), **o), 100, 10),
    lambda **o: schedules.constant(Constant(**o), 100, 10),
])  # fmt: skip


@each_schedule
def test_a_warm_up_rises_linearly_to_the_full_rate(make):
    rate = make(warmup_epochs=1.5)
    factors = [rate(step) for step in range(16)]
    rises = [b - a for a, b in itertools.pairwise(factors)]
    assert factors[0] > 0
    assert factors[15] == 1.0
    assert rises == pytest.approx([rises[0]] * 15)


@each_schedule
def test_no_warm_up_starts_at_the_full_rate(make):
    assert make()(0) == 1.0
    assert make(warmup_epochs=0.04)(0) == 1.0  # rounds to no update


@each_schedule
def test_a_warm_up_may_be_as_long_as_all_but_one_update_and_no_longer(make):
    assert make(warmup_epochs=9.9)(99) == 1.0
    for epochs in (10.0, 11.0):
        with pytest.raises(UserError, match="as long as the run"):
            make(warmup_epochs=epochs)


@each_schedule
def test_a_warm_up_rises_from_the_factor_that_warmup_start_says(make):
    rate = make(warmup_epochs=1.0, warmup_start=0.25)
    assert rate(0) - (rate(1) - rate(0)) == pytest.approx(0.25)


def test_a_cosine_after_a_warm_up_ends_at_the_final_factor():
    rate = schedules.cosine(Cosine(warmup_epochs=2.0, final=0.1), 100, 10)
    assert rate(20) == 1.0
    assert rate(60) == pytest.approx(0.55)
    assert rate(100) == pytest.approx(0.1)
    factors = [rate(step) for step in range(20, 101)]
    assert factors == sorted(factors, reverse=True)


def test_milestones_lower_the_rate_from_their_first_update_on():
    rate = schedules.step(Step(milestones=(3.0, 6.0, 7.5), gamma=0.1), 100, 10)
    expected = {0: 1, 29: 1, 30: 0.1, 59: 0.1, 60: 0.01, 74: 0.01, 75: 0.001, 99: 0.001}
    assert {step: rate(step) for step in expected} == pytest.approx(expected)


@pytest.mark.parametrize("milestones", [(6.0, 3.0), (3.0, 3.0), (1.0, 5.0, 4.0)])
def test_milestones_that_do_not_rise_are_refused(milestones):
    with pytest.raises(UserError, match="milestones must rise"):
        schedules.step(Step(milestones=milestones), 100, 10)


def test_no_milestone_is_a_constant_rate():
    rate = schedules.step(Step(milestones=()), 10, 5)
    assert {rate(step) for step in range(10)} == {1.0}
    constant = schedules.constant(Constant(), 10, 5)
    assert {constant(step) for step in range(10)} == {1.0}


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def test_sgd_decays_everything_by_default():
    net = model()
    sgd = optimizers.sgd(SGD(lr=0.1, weight_decay=1e-4), model=net)
    (group,) = sgd.param_groups
    assert (group["lr"], group["momentum"], group["nesterov"], group["weight_decay"]) == (0.1, 0.9, True, 1e-4)
    assert {id(p) for p in group["params"]} == {id(p) for p in net.parameters()}


def test_sgd_leaves_biases_and_norms_undecayed_when_told_to():
    net = model()
    sgd = optimizers.sgd(SGD(lr=0.1, weight_decay=1e-4, decay_norm_and_bias=False), model=net)
    decayed, rest = sgd.param_groups
    assert [id(p) for p in decayed["params"]] == [id(net[0].weight), id(net[3].weight)]
    one_dimensional = [net[0].bias, net[1].weight, net[1].bias, net[3].bias]
    assert [id(p) for p in rest["params"]] == [id(p) for p in one_dimensional]
    assert (decayed["weight_decay"], rest["weight_decay"]) == (1e-4, 0.0)


@pytest.mark.parametrize("everything", [True, False])
def test_frozen_parameters_are_left_out(everything):
    net = model()
    net[0].weight.requires_grad_(False)
    sgd = optimizers.sgd(SGD(lr=0.1, decay_norm_and_bias=everything), model=net)
    held = {id(p) for group in sgd.param_groups for p in group["params"]}
    assert held == {id(p) for p in net.parameters() if p.requires_grad}


def test_nesterov_without_momentum_is_refused_with_a_way_out():
    with pytest.raises(UserError, match="nesterov = false"):
        optimizers.sgd(SGD(lr=0.1, momentum=0.0), model=model())
    optimizers.sgd(SGD(lr=0.1, momentum=0.0, nesterov=False), model=model())


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy_spreads_the_smoothed_share_over_all_classes(smoothing):
    logits, labels = torch.randn(6, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0, 1])
    logs = logits.log_softmax(1)
    target = torch.full((6, 4), smoothing / 4, dtype=torch.float64)
    target[torch.arange(6), labels] += 1 - smoothing
    found = losses.cross_entropy(CrossEntropy(label_smoothing=smoothing), num_classes=4)(logits, labels)
    assert torch.allclose(found, -(target * logs).sum(1).mean())
