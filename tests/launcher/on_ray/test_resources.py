import os
import re

import pytest

from imgcls.errors import UserError
from imgcls.on_ray import resources
from imgcls.on_ray.resources import Node, cpus_on, cpus_per_worker, fitting
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


def test_with_a_range_the_fewest_must_fit_on_this_machine(machine):
    machine(2)
    assert cpus_per_worker(Workers(count=16, least=2)) == 1.0
    with pytest.raises(UserError, match="3 workers of 1 CPU need 3 CPUs, this machine has 2"):
        cpus_per_worker(Workers(count=16, least=3))


@pytest.mark.parametrize(
    ("nodes", "count", "share"),
    [
        ([8, 8], 2, 8.0),
        ([8, 8], 4, 4.0),
        ([8, 8], 3, 4.0),  # five each would leave room for two
        ([1, 1], 2, 1.0),
        ([16, 1], 2, 8.0),
        ([0, 4], 1, 4.0),
        ([0.5, 4], 4, 1.0),
    ],
)
def test_on_a_cluster_workers_get_the_largest_equal_share_that_all_nodes_together_have(nodes, count, share):
    assert cpus_on([Node(cpus) for cpus in nodes], Workers(count=count)) == share


def test_workers_that_do_not_fit_on_a_cluster_are_refused_with_what_its_nodes_have():
    with pytest.raises(UserError) as caught:
        cpus_on([Node(0), Node(1), Node(1)], Workers(count=3))
    assert str(caught.value) == (
        "3 workers of 1 CPU each do not fit on the cluster, 2 do (nodes: 1 of 0 CPUs, 2 of 1 CPUs); "
        "start at most 2, or lower --cpus-per-worker"
    )


def test_with_a_range_fewer_workers_than_the_most_may_fit_but_not_fewer_than_the_least():
    nodes = [Node(1), Node(1)]
    assert cpus_on(nodes, Workers(count=4, least=2)) == 1.0
    with pytest.raises(UserError, match="3 workers of 1 CPU each do not fit on the cluster, 2 do"):
        cpus_on(nodes, Workers(count=4, least=3))


def test_where_there_are_gpus_each_worker_needs_one():
    nodes = [Node(32, 2), Node(64)]
    assert cpus_on(nodes, Workers(count=2)) == 16.0
    with pytest.raises(UserError, match="3 workers of 1 CPU and a GPU each do not fit on the cluster, 2 do"):
        cpus_on(nodes, Workers(count=3))


def test_fractions_of_a_cpu_fill_a_node():
    # 1 // 0.1 is 9
    assert fitting([Node(1), Node(0.3)], 0.1, with_gpu=False) == 13
