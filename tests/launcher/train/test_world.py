"""Processes that really talk, over gloo."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from imgcls.train.world import World, leave_group, pick_device, set_threads


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module", params=[2, 3])
def ranks(request, tmp_path_factory):
    """Return what each of 2 and of 3 processes found."""
    folder, port, size = tmp_path_factory.mktemp("ranks"), free_port(), request.param
    script = Path(__file__).with_name("gloo_rank.py")
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), str(size), str(port), str(folder / f"{rank}.json")],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(size)
    ]  # fmt: skip
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(size)]


def test_the_sum_is_that_of_all_ranks_on_every_rank(ranks):
    size = len(ranks)
    for found in ranks:
        assert found["sum"] == [sum(range(1, size + 1)), sum(10.0**rank for rank in range(size))]
        assert found["in place"]
        assert found["counts"] == [size * 2**40 + sum(range(size))]


def test_what_is_shared_is_rank_0s(ranks):
    for found in ranks:
        assert found["share"] == [[0.0, 0.0, 0.0], 100, [[0, 1], [2, 3]]]


def test_a_number_from_the_leader_arrives_also_when_negative_or_large(ranks):
    assert all(found["from_leader"] == [-1, 2**40] for found in ranks)


def test_only_rank_0_leads_and_tells(ranks):
    assert [found["leads"] for found in ranks] == [True] + [False] * (len(ranks) - 1)
    assert [found["told"] for found in ranks] == [["hello"]] + [[]] * (len(ranks) - 1)


def test_alone_everything_is_its_own():
    world = World()
    tensor = torch.tensor([1.0, 2.0])
    assert world.sum(tensor) is tensor
    assert tensor.tolist() == [1.0, 2.0]
    world.share([tensor])
    world.wait()
    assert world.from_leader(-5) == -5
    assert world.leads
    assert not world.stop_requested()
    leave_group()


@pytest.mark.parametrize(("cpus", "size", "expected"), [(2.0, 1, 2), (0.5, 1, 1), (3.9, 2, 3), (None, 10**6, 1)])
def test_threads_are_whole_and_at_least_one(cpus, size, expected):
    before = torch.get_num_threads()
    try:
        assert set_threads(cpus, size) == expected == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_device_is_the_cpu():
    assert pick_device(3) == torch.device("cpu")
