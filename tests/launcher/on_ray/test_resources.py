import os
import re

import pytest

from imgcls.errors import UserError
from imgcls.on_ray import resources
from imgcls.on_ray.resources import cpus_per_worker
from imgcls.recipe.schema import Workers

GIB = 2**30


@pytest.fixture
def machine(monkeypatch):
    """Return a function that sets how many CPUs and how much memory there seem to be."""

    def is_like(cpus, memory=1000 * GIB):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cpus)))
        monkeypatch.setattr(resources, "_available_memory", lambda: memory)

    return is_like


@pytest.mark.parametrize(
    ("have", "workers", "share"), [(2, 1, 2.0), (2, 2, 1.0), (8, 3, 2.0), (7, 2, 3.0), (4, 0, 4.0), (1, 1, 1.0)]
)
def test_workers_share_the_cpus_in_equal_whole_parts(machine, have, workers, share):
    machine(have)
    assert cpus_per_worker(Workers(count=workers)) == share


def test_what_was_asked_for_is_given_where_it_fits(machine):
    machine(2)
    assert cpus_per_worker(Workers(count=4, cpus=0.5)) == 0.5
    assert cpus_per_worker(Workers(count=10, cpus=0.2)) == 0.2  # 10 * 0.2 is a hair off 2 in binary
    assert cpus_per_worker(Workers(count=1, cpus=1.0)) == 1.0


def test_too_many_workers_are_refused_with_the_arithmetic(machine):
    machine(2)
    with pytest.raises(UserError) as caught:
        cpus_per_worker(Workers(count=3))
    assert str(caught.value) == (
        "3 workers of 1 CPU need 3 CPUs, this machine has 2; --cpus-per-worker 0.66 lets them share"
    )


def test_too_large_a_share_is_refused(machine):
    machine(2)
    with pytest.raises(UserError, match="2 workers of 1.5 CPU need 3 CPUs, this machine has 2"):
        cpus_per_worker(Workers(count=2, cpus=1.5))


@pytest.mark.parametrize("have", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 9, 100, 333, 4096])
def test_the_advice_fits(machine, have, count):
    machine(have, memory=10_000 * GIB)
    with pytest.raises(UserError) as caught:
        cpus_per_worker(Workers(count=count, cpus=have + 1.0))
    advised = re.search(r"--cpus-per-worker ([\d.]+) lets", str(caught.value))
    if advised:
        assert cpus_per_worker(Workers(count=count, cpus=float(advised[1]))) == float(advised[1])
    else:
        most = int(re.search(r"start at most (\d+) here", str(caught.value))[1])
        assert most < count
        assert cpus_per_worker(Workers(count=most, cpus=0.01)) == 0.01


def test_workers_that_do_not_fit_in_memory_are_refused_with_how_many_do(machine):
    machine(64, memory=GIB)
    with pytest.raises(UserError) as caught:
        cpus_per_worker(Workers(count=10))
    assert str(caught.value) == ("10 workers need about 4.4 GiB of memory, 1.0 GiB are free; start at most 2")
    assert cpus_per_worker(Workers(count=2)) == 32.0


def test_memory_that_nobody_tells_is_not_checked(machine):
    machine(64, memory=None)
    assert cpus_per_worker(Workers(count=64)) == 1.0


def test_this_machine_has_memory_to_tell():
    assert resources._available_memory() > 0
