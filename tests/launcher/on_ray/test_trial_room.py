import itertools

import pytest

from imgcls.errors import UserError
from imgcls.on_ray.resources import Node, fitting
from imgcls.on_ray.trial_room import trial_room

_TWO = [Node(2)]


def _at_a_time(nodes, workers=1, cpus=1.0, trials=100, most=None) -> int:
    return trial_room(nodes, workers, cpus, trials, most).at_a_time


def _refused(nodes, workers, cpus) -> str:
    with pytest.raises(UserError) as caught:
        trial_room(nodes, workers, cpus, 10, None)
    return str(caught.value)


@pytest.mark.parametrize(
    ("nodes", "workers", "cpus", "fit"),
    [
        ([2], 1, 1.0, 2),
        ([2], 2, 1.0, 1),
        ([3], 2, 1.0, 1),  # half a trial is none
        ([8], 2, 2.0, 2),
        ([3, 3], 2, 1.0, 3),  # the workers of a trial may be on two nodes
        ([1, 1, 1], 2, 1.0, 1),
        ([3, 3], 1, 2.0, 2),  # a worker is on one node: what is left of each is not put together
        ([0, 2], 1, 1.0, 2),  # a head without CPUs
        ([1], 1, 0.1, 10),  # ten tenths are a hair off 1 in binary
        ([1], 5, 0.2, 1),
        ([2], 1, 0.75, 2),
        ([0.5, 4], 1, 1.0, 4),
    ],
)
def test_as_many_trials_as_have_all_of_their_workers_placed(nodes, workers, cpus, fit):
    assert _at_a_time([Node(each) for each in nodes], workers, cpus) == fit


def test_no_more_at_a_time_than_there_are_trials_or_than_are_wanted():
    nodes = [Node(16)]
    assert _at_a_time(nodes, trials=3) == 3
    assert _at_a_time(nodes, most=2) == 2
    assert _at_a_time(nodes, trials=1, most=2) == 1


def test_more_are_never_wanted_than_fit():
    assert _at_a_time(_TWO, workers=2, most=3, trials=4) == 1


def test_where_there_are_gpus_each_worker_has_one():
    nodes = [Node(16, 2), Node(16, 1), Node(64)]
    room = trial_room(nodes, 1, 1.0, 100, None)
    assert room.gpu
    assert room.at_a_time == 3
    assert trial_room(nodes, 3, 1.0, 100, None).at_a_time == 1
    assert not trial_room(_TWO, 1, 1.0, 100, None).gpu


@pytest.mark.parametrize(
    ("nodes", "workers", "trials", "most", "share"),
    [
        ([8], 1, 1, None, 8.0),
        ([8], 1, 3, None, 2.0),
        ([8], 1, 100, None, 1.0),
        ([8], 1, 100, 2, 4.0),
        ([8], 2, 2, None, 2.0),
        ([8, 8], 2, 1, None, 8.0),
        ([8, 8], 3, 1, None, 4.0),  # five each would leave room for two
        ([0, 4], 1, 1, None, 4.0),
        ([2.5], 1, 1, None, 2.0),
        ([0.5, 4], 4, 9, None, 1.0),
    ],
)
def test_fewer_trials_than_fit_have_the_cpus_to_themselves_in_whole_parts(nodes, workers, trials, most, share):
    assert trial_room([Node(each) for each in nodes], workers, None, trials, most).cpus == share


def test_a_larger_share_never_costs_a_trial_its_place():
    for sizes in itertools.product((0, 1, 2, 5, 8), repeat=3):
        nodes = [Node(size) for size in sizes]
        for workers, trials in itertools.product((1, 2, 3, 5), (1, 2, 4, 40)):
            ones = min(fitting(nodes, 1.0, False) // workers, trials)
            if ones == 0:
                with pytest.raises(UserError):
                    trial_room(nodes, workers, None, trials, None)
                continue
            room = trial_room(nodes, workers, None, trials, None)
            assert room.at_a_time == ones, (sizes, workers, trials)
            assert fitting(nodes, room.cpus, False) >= ones * workers, (sizes, workers, trials)
            larger = fitting(nodes, room.cpus + 1, False)
            assert larger // workers < ones, "one CPU more each would not fit"


def test_how_many_run_at_a_time_is_said_with_the_numbers():
    assert trial_room([Node(8)], 2, 2.0, 40, None).why == (
        "2 at a time: a trial has 2 workers of 2 CPUs each, the cluster has 8 CPUs"
    )
    assert trial_room([Node(8)], 1, 1.0, 40, 3).why == (
        "3 at a time: a trial has a worker of 1 CPU, the cluster has 8 CPUs; 8 would fit"
    )
    assert trial_room([Node(8, 1), Node(1)], 1, 0.5, 40, None).why == (
        "1 at a time: a trial has a worker of 0.5 CPUs and a GPU, the cluster has 9 CPUs and 1 GPU"
    )


def test_what_never_fits_is_refused_with_the_arithmetic():
    assert _refused(_TWO, 3, 1.0) == (
        "a trial of 3 workers of 1 CPU each never fits: the cluster has 2 CPUs, room for 2 such workers; lower "
        "--workers-per-trial or --cpus-per-worker, or add nodes"
    )
    assert _refused([Node(1)], 2, 1.0).startswith(
        "a trial of 2 workers of 1 CPU each never fits: the cluster has 1 CPU, room for 1 such worker;"
    )
    assert _refused([Node(0)], 1, None).startswith(
        "a trial of a worker of 1 CPU never fits: the cluster has 0 CPUs, room for 0 such workers;"
    )


def test_a_worker_that_would_need_two_nodes_is_refused_and_told_why():
    assert _refused([Node(1), Node(1)], 1, 2.0).startswith(
        "a trial of a worker of 2 CPUs never fits: the cluster has 2 CPUs on 2 nodes (a worker is on one), "
        "room for 0 such workers;"
    )


def test_more_workers_than_gpus_are_refused():
    assert _refused([Node(64, 1), Node(64)], 2, 1.0).startswith(
        "a trial of 2 workers of 1 CPU and a GPU each never fits: the cluster has 128 CPUs and 1 GPU, room for 1"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--workers-per-trial", "4096"], "a trial of 4096 workers of 1 CPU each never fits: the cluster has"),
        (["--cpus-per-worker", "4096"], "a trial of a worker of 4096 CPUs never fits: the cluster has"),
        (["--max-concurrent", "0"], "--max-concurrent 0: give a number above 0, or auto"),
    ],
)
def test_the_command_refuses_it_before_anything_is_started_or_written(run_imgcls, tmp_path, arguments, told):
    ended = run_imgcls("tune", "digits_tune", *arguments)
    assert ended.returncode == 2, ended
    assert told in ended.stderr, ended
    assert "Traceback" not in ended.stderr, ended
    assert not list(tmp_path.iterdir()), "no folder of runs, and no log of Ray"
