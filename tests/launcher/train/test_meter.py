import math

import pytest
import torch

from imgcls.train.meter import Meter
from imgcls.train.world import World


def counted(losses):
    meter = Meter(World())
    for step, loss in losses.items():
        meter.add(step, torch.tensor(loss), torch.eye(3), torch.tensor([0, 1, 0]))
    return meter.collect(stop=False)[0]


def test_figures_are_sums_over_the_samples():
    found = counted({0: 1.0, 1: 3.0})
    assert (found.loss, found.correct, found.seen, found.bad) == (12.0, 4, 6, -1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_first_bad_step_is_named_though_steps_before_it_were_passed_over(value):
    assert counted({3: 1.0, 5: value, 8: 1.0, 9: math.nan}).bad == 5
