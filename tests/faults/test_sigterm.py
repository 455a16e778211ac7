"""SIGTERM: a checkpoint, exit code 75, and the command that continues; nothing stays behind."""

import os
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest
from tests.faults.processes import Ended, Launch, assert_same_end, imgcls
from tests.faults.recipes import STEPS, small_steps

_AGAIN = 75  # EX_TEMPFAIL


def _arguments(workers: int, name: str) -> list[object]:
    return ["launch", "small_steps.toml", "--workers", workers, "--name", name]


def _stopped_step(run: Path, ended: Ended) -> int:
    """The step of the checkpoint that was written at the end, as the command said."""
    assert ended.code == _AGAIN, ended
    assert "Traceback" not in ended.out + ended.err, ended
    step = int((run / "checkpoints/latest").read_text().removeprefix("step-"))
    assert f"stopped after step {step}, with a checkpoint; to continue:" in ended.out, ended
    assert not (run / "result.json").exists()
    return step


def _continued(folder: Path, name: str, ended: Ended) -> None:
    """Run the command that was printed, to the weights of the run that nothing happened to."""
    step = _stopped_step(folder / "runs" / name, ended)
    _, *arguments = shlex.split(ended.out.partition("to continue:")[2])
    again = imgcls(*arguments, cwd=folder)
    assert again.code == 0, again
    assert f"continuing after step {step} " in again.out, again
    assert_same_end(folder / "runs/undisturbed", folder / "runs" / name)


def test_without_ray_sigterm_leaves_a_checkpoint_and_exit_code_75_and_the_printed_command_continues(alone):
    with Launch(_arguments(0, "term"), alone, name="term") as launch:
        launch.wait_for_step(STEPS // 2)
        launch.process.send_signal(signal.SIGTERM)
        ended = launch.ended()
    assert "stopping with a checkpoint after SIGTERM; a second one ends at once" in ended.out, ended
    _continued(alone, "term", ended)


def test_sigterm_to_the_whole_process_group_of_a_run_on_two_workers_does_the_same(two):
    with Launch(_arguments(2, "group"), two, name="group") as launch:
        launch.wait_for_step(STEPS + 20)
        os.killpg(launch.process.pid, signal.SIGTERM)
        ended = launch.ended()
        launch.nothing_left(within=10)
    assert ended.err == "", ended
    _continued(two, "group", ended)


@pytest.mark.slow
def test_sigterm_to_the_command_alone_or_to_every_process_of_it_does_the_same(two):
    for name, to_all in (("driver-alone", False), ("every-process", True)):
        with Launch(_arguments(2, name), two, name=name) as launch:
            launch.wait_for_step(STEPS // 2)
            for process in launch.alive() if to_all else [launch.process.pid]:
                os.kill(process, signal.SIGTERM)
            ended = launch.ended()
            launch.nothing_left(within=10)
        _continued(two, name, ended)


@pytest.mark.slow
def test_a_second_sigterm_ends_at_once_even_where_a_worker_hangs_and_one_right_after_the_first_is_no_second(
    tmp_path,
):
    small_steps(tmp_path, epochs=30)
    with Launch(_arguments(2, "twice"), tmp_path, name="twice") as launch:
        launch.wait_for_step(20)
        os.kill(launch.worker(1), signal.SIGSTOP)
        launch.process.send_signal(signal.SIGTERM)
        launch.wait_for("the word of the first", lambda: "a second one ends at once" in launch.out)
        time.sleep(2)  # what comes within a second of it is taken for the same, as timeout(1) sends it
        assert launch.process.poll() is None
        launch.process.send_signal(signal.SIGTERM)
        ended = launch.ended(limit=30)
        launch.nothing_left(within=5)
    assert ended.code == _AGAIN, ended
    assert "Traceback" not in ended.err, ended
    assert "ended at once; to continue:" in ended.out, ended


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, 4])
def test_sigterm_while_ray_and_its_workers_start_leaves_no_process(tmp_path, seconds):
    small_steps(tmp_path, epochs=30)
    with Launch(_arguments(2, "early"), tmp_path, name="early") as launch:
        launch.wait_for("the start of Ray", (tmp_path / "runs/early/logs/ray.log").exists)
        time.sleep(seconds)
        launch.process.send_signal(signal.SIGTERM)
        ended = launch.ended()
        launch.nothing_left(within=8)
    assert ended.code == _AGAIN, ended
    assert "Traceback" not in ended.out + ended.err, ended
    assert "stopped before the first step; to continue:\n    imgcls launch" in ended.out, ended


@pytest.mark.slow
def test_torchruns_ranks_write_a_checkpoint_when_it_is_sent_sigterm_and_the_same_command_continues(two):
    # the plan of a run whose launch was stopped before its first step
    small_steps(two)
    name = "torchrun"
    with Launch(_arguments(2, name), two, name=name) as launch:
        launch.wait_for("the start of Ray", (two / "runs" / name / "logs/ray.log").exists)
        launch.process.send_signal(signal.SIGTERM)
        assert launch.ended().code == _AGAIN
    run = two / "runs" / name
    (run / "stop").unlink()
    command = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    with Launch(("-m", "imgcls.train", run), two, name=name, command=command) as launch:
        launch.wait_for("a checkpoint", (run / "checkpoints/latest").exists)
        os.killpg(launch.process.pid, signal.SIGTERM)
        ended = launch.ended()
        launch.nothing_left(within=10)
    step = int((run / "checkpoints/latest").read_text().removeprefix("step-"))
    assert f"stopped after step {step}, with a checkpoint; to continue: the same torchrun command" in ended.err, (
        ended
    )
    with Launch(("-m", "imgcls.train", run), two, name=name, command=command) as launch:
        ended = launch.ended()
    assert ended.code == 0, ended
    assert_same_end(two / "runs/undisturbed", run)
