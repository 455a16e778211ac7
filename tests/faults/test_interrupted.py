"""Ctrl-C: a checkpoint and the command that continues; twice: the end at once. Nothing stays behind."""

import os
import shlex
import signal
import time
from pathlib import Path

import pytest
from tests.faults import plugin
from tests.faults.processes import Ended, Launch, assert_same_end, imgcls
from tests.faults.recipes import EPOCHS, STEPS, small_steps


def _arguments(workers: int, name: str) -> list[object]:
    return ["launch", "small_steps.toml", "--workers", workers, "--name", name]


def _continuation(ended: Ended) -> list[str]:
    """The command that the interrupted run printed."""
    assert "to continue:" in ended.out, ended
    return shlex.split(ended.out.partition("to continue:")[2])


@pytest.mark.parametrize(("workers", "undisturbed"), [(0, "alone"), (2, "two")])
def test_ctrl_c_leaves_a_checkpoint_and_the_printed_command_ends_in_the_weights_of_an_undisturbed_run(
    workers, undisturbed, request
):
    folder: Path = request.getfixturevalue(undisturbed)
    with Launch(_arguments(workers, "stopped"), folder, name="stopped") as launch:
        if workers:
            launch.wait_for_step(STEPS + 20)
        else:
            launch.wait_for("the first epoch", lambda: "epoch   1/2" in launch.out)
        launch.interrupt()
        asked = time.monotonic()
        stopped = launch.ended(limit=30)
        assert time.monotonic() - asked < 15
        launch.nothing_left(within=5)
    assert stopped.code == 130, stopped
    assert stopped.err == "", stopped
    checkpoints = folder / "runs/stopped/checkpoints"
    step = int((checkpoints / "latest").read_text().removeprefix("step-"))
    assert f"stopped after step {step}, with a checkpoint" in stopped.out, stopped
    assert STEPS <= step < EPOCHS * STEPS
    assert (checkpoints / f"step-{step:08d}/model.safetensors").is_file()
    assert not (folder / "runs/stopped/result.json").exists()

    program, *arguments = _continuation(stopped)
    assert program == "imgcls"
    again = imgcls(*arguments, cwd=folder)
    assert again.code == 0, again
    assert f"continuing after step {step} " in again.out, again
    assert_same_end(folder / "runs/undisturbed", folder / "runs/stopped")


def test_a_second_ctrl_c_ends_at_once_even_where_a_worker_hangs(tmp_path):
    small_steps(tmp_path, epochs=30)
    with Launch(_arguments(2, "twice"), tmp_path, name="twice") as launch:
        launch.wait_for_step(20)
        os.kill(launch.worker(1), signal.SIGSTOP)
        launch.interrupt()
        launch.wait_for("the word of the first Ctrl-C", lambda: "Ctrl-C again ends at once" in launch.out)
        time.sleep(1)
        assert launch.process.poll() is None, "there is nothing to end: the first Ctrl-C was enough"
        launch.interrupt()
        asked = time.monotonic()
        ended = launch.ended(limit=30)
        assert time.monotonic() - asked < 3
        launch.nothing_left(within=8)
    assert ended.code == 130, ended


def test_a_second_ctrl_c_ends_a_run_without_ray_at_once(tmp_path):
    path = plugin.install(tmp_path / "plugin")
    small_steps(tmp_path, more='[[callback]]\nname = "faulty:hangs"')
    with Launch(_arguments(0, "twice"), tmp_path, path=path) as launch:
        launch.wait_for("the hanging callback", lambda: "hanging" in launch.out)
        launch.interrupt()
        launch.wait_for("the word of the first Ctrl-C", lambda: "Ctrl-C again ends at once" in launch.out)
        time.sleep(0.5)
        assert launch.process.poll() is None
        launch.interrupt()
        asked = time.monotonic()
        ended = launch.ended(limit=30)
        assert time.monotonic() - asked < 3
        launch.nothing_left(within=5)
    assert ended.code == 130, ended
    assert "Traceback" not in ended.err, ended


@pytest.mark.parametrize("seconds", [2, *(pytest.param(s, marks=pytest.mark.slow) for s in (0.3, 3, 4, 5))])
def test_ctrl_c_while_ray_and_its_workers_start_leaves_no_process(tmp_path, seconds):
    small_steps(tmp_path, epochs=30)
    with Launch(_arguments(2, "early"), tmp_path, name="early") as launch:
        log = tmp_path / "runs/early/logs/ray.log"
        launch.wait_for("the start of Ray", log.exists)
        time.sleep(seconds)
        launch.interrupt()
        ended = launch.ended(limit=60)
        launch.nothing_left(within=8)
    assert ended.code == 130, ended
    assert "Traceback" not in ended.out + ended.err, ended
    assert _continuation(ended) == ["imgcls", *map(str, _arguments(2, "early"))]
    assert not (Path(launch.folder) / "result.json").exists()
