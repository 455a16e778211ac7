"""The range test: every rate is the one asked for in every group, and the curve is read as Smith reads it."""

from __future__ import annotations

import dataclasses
import math
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from imgcls.data.loader import training_batches
from imgcls.train import build
from imgcls.train.lr_find import Average, curve, find
from imgcls.train.step import seed_step
from imgcls_optim.optimizers.sgd import build as sgd

MODULE = "imgcls_test_recording"


@pytest.fixture
def recorded(monkeypatch):
    """The rates of all groups at each update of an optimizer that a plan names ``MODULE:build``."""
    seen = []

    def recording(options, model, batch_size=None):
        optimizer = sgd(options, model, batch_size)
        optimizer.register_step_pre_hook(
            lambda each, _args, _kwargs: seen.append([group["lr"] for group in each.param_groups])
        )
        return optimizer

    module = ModuleType(MODULE)
    module.build = recording
    monkeypatch.setitem(sys.modules, MODULE, module)
    return seen


def quiet(_done, _of):
    pass


def recording_plan(make_plan, **options):
    plan = make_plan()
    values = {**plan.optimizer.options, **options}
    return dataclasses.replace(
        plan, optimizer=dataclasses.replace(plan.optimizer, build=f"{MODULE}:build", options=values)
    )


def test_rates_rise_exponentially_and_groups_keep_their_ratios(make_plan, recorded):
    plan = recording_plan(make_plan, layer_decay=0.5, lr=0.05)
    found = find(plan, 12, 1e-6, 1e-2, quiet)
    np.testing.assert_allclose(found.rates, 1e-6 * 10 ** (4 * np.arange(12) / 11))
    own = [group["lr"] for group in build.optimizer(plan, build.model(plan, torch.device("cpu"))).param_groups]
    assert len(set(own)) > 2
    assert max(own) == 0.05
    wanted = found.rates[:, None] * np.array(own) / 0.05
    np.testing.assert_allclose(np.array(recorded), wanted, rtol=1e-12)


def test_a_rate_is_what_the_recipe_would_say_where_it_is_for_another_batch_size(make_plan, recorded):
    find(recording_plan(make_plan, lr=0.05, lr_per=16), 10, 1e-6, 1e-3, quiet)  # batches of 8: half of it
    np.testing.assert_allclose(recorded[-1], [0.5e-3] * len(recorded[-1]))


def test_the_first_losses_are_those_of_the_runs_own_batches(make_plan):
    plan = make_plan()
    found = find(plan, 10, 1e-12, 1e-11, quiet)  # more steps than the 4 of an epoch, and none that changes a thing
    inputs, device = build.inputs(plan), torch.device("cpu")
    model, criterion = build.model(plan, device).train(), build.criterion(plan, device, inputs.training.index)
    machine = build.machine(plan.loading, device, 1)
    batches = training_batches(inputs.training, inputs.order, 0, 0, 1, machine)
    for step, (batch, measured) in enumerate(zip(batches, found.losses, strict=False)):
        seed_step(plan.seed, step, 0)  # of dropout
        with torch.no_grad():
            loss, _ = criterion(batch.images, model(batch.images), batch.labels)
            assert float(loss) == pytest.approx(measured, abs=1e-5)
    assert len(found.losses) == 10
    assert not found.diverged


def test_it_ends_where_the_loss_explodes_and_writes_nothing(make_plan, tmp_path):
    plan = make_plan(n=200)
    before = sorted(tmp_path.rglob("*"))
    seen = []
    found = find(plan, 100, 1e-3, 1e6, lambda done, of: seen.append((done, of)))
    assert found.diverged
    assert not found.still_falling
    assert 10 < len(found.losses) < 90
    assert np.isfinite(found.losses).all()
    assert seen[0] == (8, 800)
    assert sorted(tmp_path.rglob("*")) == before


def test_as_many_parts_as_workers_change_no_rate_and_batch_norm_sees_a_workers_share(make_plan, recorded):
    plan = recording_plan(make_plan)
    one = find(plan, 10, 1e-12, 1e-11, quiet)
    two = find(
        dataclasses.replace(plan, workers=dataclasses.replace(plan.workers, count=2)), 10, 1e-12, 1e-11, quiet
    )
    assert not np.allclose(one.losses, two.losses, atol=1e-4)  # statistics over 4 images, not 8
    assert recorded[:10] == recorded[10:]


def test_the_average_tells_when_it_is_four_times_its_least():
    average = Average(memory=1)
    assert not any(average.add(loss) for loss in [2.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert average.least == pytest.approx(1, abs=0.05)
    assert not average.add(6.0)  # (1 + 6) / 2 = 3.5
    assert average.add(6.0)
    constant = Average(memory=5)
    constant.add(3.0)
    assert constant.least == pytest.approx(3)  # not drawn to zero at its beginning


def valley(steps=200):
    """A loss of 2 that falls fastest at 1e-2, is least between, and explodes at 1."""
    rates = np.geomspace(1e-6, 10, steps)
    at = np.log10(rates)
    return rates, 2 - 1.5 / (1 + np.exp(-(at + 2) * 5)) + np.exp((at - 0.2) * 8)


def test_the_suggestion_is_where_the_loss_falls_fastest_not_shifted_by_the_smoothing():
    rates, losses = valley()
    noisy = losses + np.random.default_rng(0).normal(0, 0.02, len(losses))
    found = curve(rates, noisy, 4, True)
    assert math.log10(found.rates[found.steepest]) == pytest.approx(-2, abs=0.15)
    assert math.log10(found.rates[found.least]) == pytest.approx(math.log10(rates[losses.argmin()]), abs=0.2)


def test_a_last_loss_of_a_million_does_not_move_what_is_before_it():
    rates, losses = valley()
    upto = int(losses.argmin()) + 4
    plain = curve(rates[:upto], losses[:upto], 2, True)
    wild = curve(rates[:upto], np.append(losses[: upto - 1], 1e6), 2, True)
    assert abs(wild.steepest - plain.steepest) <= 1
    assert wild.smoothed.max() < 3


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_suggests_nothing(seed):
    rates = np.geomspace(1e-7, 1e-4, 100)
    losses = np.random.default_rng(seed).normal(2.3, 0.05, 100)
    assert curve(rates, losses, 2, False).steepest is None


def test_a_loss_that_still_falls_at_the_end_is_told():
    rates = np.geomspace(1e-4, 1e-2, 50)
    losses = 2 - 0.5 * np.linspace(0, 1, 50) ** 2
    assert curve(rates, losses, 1, False).still_falling
    assert not curve(*valley(), 1, False).still_falling
