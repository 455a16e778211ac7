"""P2: what was killed at any step continues to the very weights of the run that never was."""

import os
import signal
from pathlib import Path

import pytest
from tests.faults.processes import Launch, assert_same_end, imgcls, metrics
from tests.faults.recipes import STEPS, small_steps

_MIDDLE = STEPS + 40  # of the second epoch


def _arguments(workers: int, name: str) -> list[object]:
    share = ["--cpus-per-worker", 0.5] if workers > 2 else []
    return ["launch", "small_steps.toml", "--workers", workers, *share, "--name", name]


def _kill_a_worker(folder: Path, workers: int, rank: int) -> None:
    name = f"killed-{rank}"
    with Launch(_arguments(workers, name), folder, name=name) as launch:
        launch.wait_for_step(_MIDDLE)
        os.kill(launch.worker(rank), signal.SIGKILL)
        ended = launch.ended()
        launch.nothing_left(within=10)
        begins = launch.events("run")
    assert ended.code == 0, ended
    assert ended.err == "", ended
    assert f"worker {rank}" in ended.out, ended
    assert "died; starting again from the last checkpoint" in ended.out, ended
    # it went on in the middle of the epoch, from a checkpoint
    assert len(begins) == 2
    assert STEPS <= begins[1]["step"] < 2 * STEPS
    assert begins[1]["step"] % STEPS, "the kill came too early to say anything of mid-epoch"
    assert_same_end(folder / "runs/undisturbed", folder / "runs" / name)
    assert _figures(folder / "runs/undisturbed") == _figures(folder / "runs" / name)


def _figures(run: Path) -> list[dict[str, object]]:
    return metrics(run, "epoch") + metrics(run, "evaluation")


def test_a_worker_killed_in_mid_epoch_is_replaced_and_the_weights_are_those_of_an_undisturbed_run(two):
    _kill_a_worker(two, workers=2, rank=1)


def test_the_killed_driver_leaves_no_process_and_the_same_command_ends_in_the_same_weights(two):
    with Launch(_arguments(2, "driver"), two, name="driver") as launch:
        launch.wait_for_step(_MIDDLE)
        launch.kill()
        launch.nothing_left(within=3)
    assert not (two / "runs/driver/result.json").exists()
    again = imgcls(*_arguments(2, "driver"), cwd=two)
    assert again.code == 0, again
    assert "continuing after step" in again.out, again
    assert_same_end(two / "runs/undisturbed", two / "runs/driver")
    assert _figures(two / "runs/undisturbed") == _figures(two / "runs/driver")


@pytest.mark.slow
def test_with_three_workers_a_killed_one_changes_no_bit_either(tmp_path):
    # a sum of three depends on its order, a sum of two does not
    small_steps(tmp_path)
    undisturbed = imgcls(*_arguments(3, "undisturbed"), cwd=tmp_path)
    assert undisturbed.code == 0, undisturbed
    _kill_a_worker(tmp_path, workers=3, rank=2)


@pytest.mark.slow
def test_the_leading_worker_can_be_killed_too(two):
    _kill_a_worker(two, workers=2, rank=0)


@pytest.mark.slow
def test_a_worker_that_dies_more_often_than_the_recipe_allows_ends_the_run(tmp_path):
    small_steps(tmp_path, more="workers.max_failures = 0")
    with Launch(_arguments(2, "killed"), tmp_path, name="killed") as launch:
        launch.wait_for_step(60)
        os.kill(launch.worker(1), signal.SIGKILL)
        ended = launch.ended()
        launch.nothing_left(within=10)
    assert ended.code == 1, ended
    assert "Traceback" not in ended.err, ended
    assert str(Path("runs/killed/logs")) in ended.err, ended
