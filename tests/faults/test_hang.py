"""A worker that hangs is found and named, the stacks of all are there, and the run goes on to the same end."""

import os
import re
import signal
import socket
from pathlib import Path

import pytest
from tests.faults import hanging
from tests.faults.processes import Launch, assert_same_end, imgcls
from tests.faults.recipes import EVERY, STEPS, small_steps

pytestmark = pytest.mark.alone  # what is kept waiting by others looks like what hangs

_AFTER = 6  # seconds; a step takes some hundredths, on a busy machine some tenths


def _recipe(folder: Path, callback: str = "", name: str = "hanging.toml") -> str:
    """Write a recipe that hangs once, on the last rank."""
    small_steps(folder)
    callbacks = f'callback = [{{ name = "hanging:{callback}" }}]' if callback else ""
    text = f'extends = "small_steps.toml"\n{callbacks}\nworkers.hang_after = {_AFTER}\n'
    (folder / name).write_text(text)
    return name


def _stacks(run: Path, rank: int) -> str:
    return (run / f"logs/stacks/rank-{rank}.txt").read_text()


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hanging.install(tmp_path_factory.mktemp("hanging") / "plugin")


def _named(out: str) -> re.Match[str]:
    pattern = r"worker (\d) on (\S+) \(process (\d+)\) has (.+) for (\d+) s, (.+ at )?(at )?step (\d+), ([^;]*)"
    found = re.findall(pattern, out)
    assert len(found) == 1, out
    match = re.search(pattern, out)
    assert match is not None
    assert match[2] == socket.gethostname()
    assert int(match[5]) >= _AFTER
    return match


def _hangs_and_goes_on(folder: Path, plugin: Path, callback: str) -> tuple[str, Path]:
    """Launch on two workers a recipe that hangs once; return what was printed and the run's folder."""
    recipe = _recipe(folder, callback, f"{callback}.toml")
    ended = imgcls("launch", recipe, "--workers", 2, cwd=folder, path=plugin)
    run = folder / "runs" / callback
    assert ended.code == 0, ended
    assert ended.err == "", ended
    assert str(Path("runs") / callback / "logs/stacks") in ended.out, ended
    assert ended.out.count("starting again from the last checkpoint") == 1, ended
    assert f"continuing after step {hanging.STEP // EVERY * EVERY} " in ended.out, ended
    assert_same_end(folder / "runs/undisturbed", run)
    assert not list((run / "logs/places").iterdir()), "what ranks noted is of no use any more"
    return ended.out, run


def test_a_rank_that_hangs_is_named_with_the_stacks_of_all_and_the_run_goes_on_to_the_same_weights(two, plugin):
    out, run = _hangs_and_goes_on(two, plugin, "sleeps")
    named = _named(out)
    assert (named[1], named[4]) == ("1", "made no progress"), out
    assert (int(named[8]), named[9]) == (hanging.STEP, "callbacks"), out
    assert "; worker 0 waits" in out, out
    assert "sleep_without_end" in _stacks(run, 1)
    assert "sleep_without_end" not in _stacks(run, 0)
    assert "forward, backward and update" in _stacks(run, 0)
    assert "_engine_run_backward" in _stacks(run, 0), "it waits for the exchange of gradients"


@pytest.mark.slow
def test_a_rank_that_holds_the_global_lock_is_named_and_its_stacks_are_there_too(two, plugin):
    out, run = _hangs_and_goes_on(two, plugin, "locks")
    named = _named(out)
    assert (named[1], named[4]) == ("1", "not answered"), out
    assert "hold_the_lock_without_end" in _stacks(run, 1)
    assert "_engine_run_backward" in _stacks(run, 0)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_worker_that_was_stopped_is_named_and_replaced(two, plugin, rank):
    name = f"stopped-{rank}"
    arguments = ["launch", _recipe(two), "--workers", 2, "--name", name]
    with Launch(arguments, two, name=name) as launch:
        launch.wait_for_step(STEPS + 20)
        stopped = launch.worker(rank)
        os.kill(stopped, signal.SIGSTOP)
        ended = launch.ended()
        launch.nothing_left(within=10)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    named = _named(ended.out)
    assert (named[1], named[3], named[4]) == (str(rank), str(stopped), "not answered"), ended
    assert _stacks(launch.folder, 1 - rank)
    assert_same_end(two / "runs/undisturbed", launch.folder)


@pytest.mark.slow
def test_a_rank_that_hangs_each_time_ends_the_run_after_as_many_times_as_the_recipe_allows(tmp_path, plugin):
    (tmp_path / _recipe(tmp_path, "always")).open("a").write("workers.max_failures = 1\n")
    ended = imgcls("launch", "hanging.toml", "--workers", 2, cwd=tmp_path, path=plugin)
    assert ended.code == 1, ended
    assert ended.out.count("has made no progress") == 2, ended
    assert "Traceback" not in ended.err, ended
    assert "were started 2 times" in ended.err, ended


@pytest.mark.parametrize("callback", ["sleeps", pytest.param("locks", marks=pytest.mark.slow)])
def test_without_ray_a_hang_ends_the_command_with_exit_code_1_and_the_same_command_continues(
    alone, plugin, callback
):
    name = f"{callback}-alone"
    arguments = ("launch", _recipe(alone, callback), "--workers", 0, "--name", name)
    ended = imgcls(*arguments, cwd=alone, path=plugin)
    run = alone / "runs" / name
    assert ended.code == 1, ended
    assert "Traceback" not in ended.out + ended.err, ended
    assert "_without_end" in _stacks(run, 0)
    if callback == "sleeps":  # the other one holds what it takes to say anything
        assert _named(ended.out)[1] == "0"
        assert "to continue:\n    imgcls launch hanging.toml" in ended.out, ended
    again = imgcls(*arguments, cwd=alone, path=plugin)
    assert again.code == 0, again
    assert f"continuing after step {hanging.STEP // EVERY * EVERY} " in again.out, again
    assert_same_end(alone / "runs/undisturbed", run)


@pytest.mark.slow
def test_verify_resume_does_not_wait_for_ever_for_a_continuation_that_hangs(tmp_path, plugin):
    _recipe(tmp_path, "always")
    ended = imgcls(
        *("verify-resume", "hanging.toml", "--workers", 0, "--kill-at", 10, "--times", 1),
        cwd=tmp_path,
        path=plugin,
    )
    assert ended.code == 1, ended
    assert "has made no progress" in ended.out + ended.err, ended
