"""Schedules are functions of the update's number, written here once more from their formulas."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from imgcls import UserError
from imgcls.component import load
from imgcls_optim.schedules import COMPONENTS
from imgcls_optim.schedules.constant import Constant
from imgcls_optim.schedules.cosine import Cosine
from imgcls_optim.schedules.exponential import Exponential
from imgcls_optim.schedules.linear import Linear
from imgcls_optim.schedules.one_cycle import OneCycle
from imgcls_optim.schedules.polynomial import Polynomial
from imgcls_optim.schedules.step import Step

TOTAL, EPOCH = 100, 10
BUILDS = {component.options: component.build for component in COMPONENTS}
NEEDED = {"step": {"milestones": (10.0,)}}


def schedule(options, total=TOTAL, epoch=EPOCH):
    return load(BUILDS[type(options)])(options, total_steps=total, steps_per_epoch=epoch)


each_schedule = pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda c=c, **o: schedule(c.options(**{**NEEDED.get(c.name, {}), **o})), id=c.name)
        for c in COMPONENTS
        if c.name != "one_cycle"
    ],
)


@each_schedule
def test_a_warm_up_rises_linearly_to_the_full_rate(make):
    for rate in (make(warmup_epochs=1.5), make(warmup_steps=15)):
        factors = [rate(step) for step in range(16)]
        rises = [b - a for a, b in itertools.pairwise(factors)]
        assert factors[0] == pytest.approx(1 / 16)
        assert factors[15] == 1.0
        assert rises == pytest.approx([1 / 16] * 15)


@each_schedule
def test_no_warm_up_starts_at_the_full_rate(make):
    assert make()(0) == 1.0
    assert make(warmup_epochs=0.04)(0) == 1.0  # rounds to no update


@each_schedule
def test_a_warm_up_may_be_as_long_as_all_but_one_update_and_no_longer(make):
    assert make(warmup_epochs=9.9)(99) == 1.0
    assert make(warmup_steps=99)(99) == 1.0
    for epochs in (10.0, 11.0):
        with pytest.raises(UserError, match=r"as long as the run's 10 epochs; make it shorter"):
            make(warmup_epochs=epochs)
    with pytest.raises(UserError, match="warmup_steps = 100 is as long as the run's 100 updates"):
        make(warmup_steps=100)


@each_schedule
def test_a_warm_up_rises_from_the_factor_that_warmup_start_says(make):
    rate = make(warmup_epochs=1.0, warmup_start=0.25)
    assert rate(0) - (rate(1) - rate(0)) == pytest.approx(0.25)


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_a_warm_up_is_given_once(component):
    options = component.options(warmup_epochs=1.0, warmup_steps=5, **NEEDED.get(component.name, {}))
    with pytest.raises(UserError, match="leave one of them out"):
        schedule(options)


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_a_factor_is_between_zero_and_one(component):
    rate = schedule(component.options(warmup_steps=7, **NEEDED.get(component.name, {})))
    assert all(0 <= rate(step) <= 1 for step in range(TOTAL + 1))


def test_half_a_cosine_from_one_to_the_final_factor():
    for final in (0.0, 0.01, 0.5, 1.0):
        rate = schedule(Cosine(final=final))
        assert rate(0) == 1.0
        assert rate(50) == pytest.approx((1 + final) / 2)
        assert rate(100) == pytest.approx(final)
        for step in range(100):
            assert rate(step) == pytest.approx(final + (1 - final) * (1 + math.cos(math.pi * step / 100)) / 2)


def test_a_cosine_after_a_warm_up_ends_at_the_final_factor():
    rate = schedule(Cosine(warmup_epochs=2.0, final=0.1))
    assert rate(20) == 1.0
    assert rate(60) == pytest.approx(0.55)
    assert rate(100) == pytest.approx(0.1)
    factors = [rate(step) for step in range(20, 101)]
    assert factors == sorted(factors, reverse=True)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("final", [0.0, 0.2])
def test_a_polynomial_is_a_power_of_what_is_left_after_the_warm_up(power, final):
    rate = schedule(Polynomial(power=power, final=final, warmup_steps=20))
    for step in range(20, 101):
        assert rate(step) == pytest.approx(final + (1 - final) * ((100 - step) / 80) ** power)
    assert rate(130) == pytest.approx(final)


def test_a_line_is_a_polynomial_of_power_one():
    for options in ({}, {"final": 0.3}, {"warmup_epochs": 2.0, "final": 0.1}):
        line, polynomial = schedule(Linear(**options)), schedule(Polynomial(power=1.0, **options))
        assert [line(step) for step in range(101)] == pytest.approx([polynomial(step) for step in range(101)])
    assert schedule(Linear())(25) == 0.75


def test_exponential_is_gamma_to_the_power_of_the_periods_after_the_warm_up():
    rate = schedule(Exponential(gamma=0.5, every=2.0, warmup_steps=10))
    assert [rate(step) for step in (10, 20, 30, 50, 90)] == pytest.approx([1, 0.5**0.5, 0.5, 0.25, 0.0625])
    steps = schedule(Exponential(gamma=0.5, every=20.0, unit="steps", warmup_steps=10))
    assert [steps(step) for step in range(101)] == [rate(step) for step in range(101)]
    stairs = schedule(Exponential(gamma=0.5, every=2.0, staircase=True, warmup_steps=10))
    assert [stairs(step) for step in (10, 29, 30, 49, 50)] == [1, 1, 0.5, 0.5, 0.25]
    assert schedule(Exponential(gamma=0.5, every=1.0, least=0.1))(99) == 0.1
    efficientnet = schedule(Exponential(staircase=True), total=350 * 10)
    assert efficientnet(240) == pytest.approx(0.97**10)


@pytest.mark.parametrize("shape", ["cosine", "linear"])
def test_one_cycle_goes_up_and_down(shape):
    eased = (lambda x: (1 - math.cos(math.pi * x)) / 2) if shape == "cosine" else (lambda x: x)
    rate = schedule(OneCycle(shape=shape, rise=0.4, warmup_start=0.1, final=0.01))
    for step in range(40):
        assert rate(step) == pytest.approx(0.1 + 0.9 * eased((step + 1) / 41))
    assert rate(40) == 1.0
    for step in range(40, 101):
        assert rate(step) == pytest.approx(1 - 0.99 * eased((step - 40) / 60))


def test_a_warm_up_is_the_way_up_of_one_cycle():
    assert schedule(OneCycle(warmup_epochs=4.0))(40) == 1.0
    assert schedule(OneCycle(warmup_steps=25))(25) == 1.0
    assert schedule(OneCycle())(30) == 1.0


def test_one_cycle_is_torchs_but_for_where_it_begins_and_ends():
    total = 1000
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    torchs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=total, cycle_momentum=False)
    rate = schedule(OneCycle(), total=total)
    for step in range(total - 1):
        assert rate(step) == pytest.approx(optimizer.param_groups[0]["lr"], abs=0.006)
        optimizer.step()
        torchs.step()


def test_milestones_lower_the_rate_from_their_first_update_on():
    rate = schedule(Step(milestones=(3.0, 6.0, 7.5), gamma=0.1))
    expected = {0: 1, 29: 1, 30: 0.1, 59: 0.1, 60: 0.01, 74: 0.01, 75: 0.001, 99: 0.001}
    assert {step: rate(step) for step in expected} == pytest.approx(expected)
    in_steps = schedule(Step(milestones=(30.0, 60.0, 75.0), unit="steps", gamma=0.1))
    assert [in_steps(step) for step in range(100)] == [rate(step) for step in range(100)]


@pytest.mark.parametrize("milestones", [(6.0, 3.0), (3.0, 3.0), (1.0, 5.0, 4.0)])
def test_milestones_that_do_not_rise_are_refused(milestones):
    with pytest.raises(UserError, match="milestones must rise"):
        schedule(Step(milestones=milestones))


def test_milestones_in_steps_are_whole():
    with pytest.raises(UserError, match="must be whole numbers"):
        schedule(Step(milestones=(10.0, 20.5), unit="steps"))


def test_no_milestone_is_a_constant_rate():
    rate = schedule(Step(milestones=()), 10, 5)
    assert {rate(step) for step in range(10)} == {1.0}
    constant = schedule(Constant(), 10, 5)
    assert {constant(step) for step in range(10)} == {1.0}
