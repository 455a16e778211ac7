"""P3: a run goes on with another number of workers, each sample of an epoch once, in the same global batches."""

import os
import signal
import socket

import pytest
from tests.faults import gated
from tests.faults.processes import Launch, assert_same_end, imgcls, result
from tests.faults.recipes import EPOCHS, STEPS, small_steps

CPUS = len(os.sched_getaffinity(0))
_SAMPLES = 1438


@pytest.mark.parametrize(
    ("workers", "told"),
    [
        ("16..4", "16..4: the first number is the larger one; write 4..16"),
        ("0..4", "0..4: one worker at least must train; write 1..4"),
        ("4..", "'4..' is neither a number, such as 8, nor a range, such as 4..16"),
        ("1..9", "8 samples cannot be shared by 9 workers; raise it"),
        (f"{CPUS + 1}..{CPUS + 2}", f"{CPUS + 1} workers of 1 CPU need {CPUS + 1} CPUs, this machine has {CPUS}"),
    ],
)
def test_a_range_that_cannot_be_is_one_message(tmp_path, workers, told):
    small_steps(tmp_path)
    ended = imgcls("launch", "small_steps.toml", "--workers", workers, cwd=tmp_path)
    assert ended.code == 2, ended
    assert told in ended.err, ended
    assert "Traceback" not in ended.err, ended


def test_a_range_in_a_recipe_whose_least_is_the_larger_is_named_by_its_line(tmp_path):
    recipe = small_steps(tmp_path, more="workers = { count = 2, least = 3 }")
    ended = imgcls("recipe", "check", recipe.name, cwd=tmp_path)
    assert ended.code == 2, ended
    assert "small_steps.toml:6: workers.least: 3 is more than workers.count = 2" in ended.err, ended


def test_an_address_where_nothing_answers_is_said_before_anything_is_done(tmp_path):
    small_steps(tmp_path)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        ended = imgcls("launch", "small_steps.toml", "--workers", 1, "--address", address, cwd=tmp_path)
    assert ended.code == 2, ended
    assert f"--address {address}: nothing can be reached there" in ended.err, ended
    assert "Traceback" not in ended.err, ended
    assert not (tmp_path / "runs").exists()


def test_an_address_without_workers_is_refused(tmp_path):
    small_steps(tmp_path)
    ended = imgcls("launch", "small_steps.toml", "--workers", 0, "--address", "auto", cwd=tmp_path)
    assert ended.code == 2, ended
    assert "0 workers train without Ray" in ended.err, ended


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_range_starts_with_what_fits_and_is_continued_by_another_number(tmp_path):
    small_steps(tmp_path, more='callback = ["gated:gated"]')
    path = gated.install(tmp_path / "plugin")
    arguments = ["launch", "small_steps.toml", "--name", "range", "--workers"]
    with Launch([*arguments, "1..4", "--cpus-per-worker", CPUS / 2], tmp_path, path, "range") as launch:
        gated.gate(launch.folder, 2, STEPS + 40)
        seen = launch.folder / "seen"
        launch.wait_for(
            "the gate", lambda: all((seen / f"{STEPS + 39}-{rank}.json").exists() for rank in range(2))
        )
        launch.kill()
        launch.nothing_left(within=15)
        out = launch.out
    assert "4 workers: up to 2 samples each, in 1 pass of up to 2" in out
    assert "2 workers of 4 for now; more join when there is room" in out
    again = imgcls(*arguments, 0, cwd=tmp_path, path=path)
    assert again.code == 0, again
    assert "continuing after step" in again.out, again
    worlds = [world for world, _, _ in gated.steps(launch.folder, STEPS * EPOCHS)]
    assert set(worlds) == {1, 2}
    # two workers of the range make the passes that keep each as small as on four
    assert {(world, passes) for world, _, passes in gated.steps(launch.folder, STEPS * EPOCHS)} == {(2, 2), (1, 1)}
    gated.assert_each_sample_once(launch.folder, STEPS, EPOCHS, _SAMPLES)
    assert result(launch.folder)["top1"] > 85


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_worker_killed_at_once_is_replaced_and_the_weights_are_those_of_an_undisturbed_run(two):
    arguments = ["launch", "small_steps.toml", "--workers", 2, "--name", "all"]
    with Launch(arguments, two, name="all") as launch:
        launch.wait_for_step(STEPS + 40)
        workers = [launch.worker(rank) for rank in range(2)]
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        ended = launch.ended()
        launch.nothing_left(within=15)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    assert len(launch.events("run")) == 2
    assert_same_end(two / "runs/undisturbed", two / "runs/all")
