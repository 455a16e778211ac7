"""The batch script for real: Ray on its nodes, a run that is told to stop, queued again, and comes to its end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cluster.render.real_slurm import missing, slurm
from tests.cluster.render.slurm_stand_in import SlurmJob
from tests.faults.processes import COMMAND, assert_same_end, imgcls, result
from tests.faults.recipes import EPOCHS, STEPS, small_steps

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_JOB = ("--workers", "2", "--cpus-per-worker", "1", "--gpus-per-worker", "0", "--name", "job")
_LIMIT = 300.0  # seconds for a launch to come so far


def script_in(folder: Path, *options: str) -> str:
    """The script of a run in small steps."""
    told = [word for option in options for word in ("--option", option)]
    command = [COMMAND, "cluster", "render", "slurm", str(small_steps(folder)), *_JOB, *told]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def step_of(run: Path) -> int:
    """The last step that the run told of."""
    file = run / "events.jsonl"
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    told = [event for event in map(json.loads, lines) if event["kind"] == "progress"]
    return int(told[-1]["step"]) if told else 0


def wait_until(what: str, condition: Callable[[], object], out: Callable[[], str]) -> None:
    end = time.monotonic() + _LIMIT
    while not condition():
        assert time.monotonic() < end, f"{what}: {out()}"
        time.sleep(0.1)


@pytest.fixture
def undisturbed(tmp_path: Path) -> Path:
    """The folder of the same run, launched on this machine and left alone."""
    small_steps(tmp_path)
    ended = imgcls("launch", "small_steps.toml", "--workers", "2", "--name", "undisturbed", cwd=tmp_path)
    assert ended.code == 0, ended
    return tmp_path / "runs/undisturbed"


def test_a_job_on_two_nodes_that_is_queued_again_ends_as_if_it_had_not_been(undisturbed, tmp_path):
    script = script_in(tmp_path)
    run = tmp_path / "runs/job"
    first = SlurmJob(script, tmp_path, ["one", "two"])
    try:
        wait_until("a step of the second epoch", lambda: step_of(run) > STEPS, lambda: first.out)
        first.told_to_stop()
        assert (first.ended(limit=120), first.requeued) == (0, 1)
    finally:
        first.kill()
    assert not (run / "result.json").exists()
    second = SlurmJob(script, tmp_path, ["one", "two"], {"SLURM_RESTART_COUNT": "1"}, first.number)
    try:
        assert (second.ended(limit=_LIMIT), second.requeued) == (0, 1)
    finally:
        second.kill()
    assert "continuing after step" in second.out
    assert result(run)["steps"] == EPOCHS * STEPS
    assert_same_end(run, undisturbed)


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_slurm_itself_queues_it_again_and_starts_it_again(tmp_path_factory):
    folder, at = tmp_path_factory.mktemp("job"), tmp_path_factory.mktemp("slurm")
    setup = f'setup=["export PATH={Path(sys.executable).parent}:$PATH"]'
    (folder / "job.sh").write_text(script_in(folder, "workers_per_node=2", "output=job.out", setup))
    run = folder / "runs/job"

    def out() -> str:
        return (folder / "job.out").read_text() if (folder / "job.out").exists() else ""

    with slurm(at) as environment:

        def tell(*words: str) -> str:
            return subprocess.run(
                words, cwd=folder, env=environment, capture_output=True, text=True, check=True
            ).stdout

        number = tell("sbatch", "--parsable", "job.sh").strip()
        wait_until("a step of the second epoch", lambda: step_of(run) > STEPS, out)
        # as Slurm does it before the time limit
        tell("scancel", "--signal=TERM", "--batch", number)
        wait_until("the second start", lambda: "Restarts=1" in tell("scontrol", "show", "job", number), out)
        wait_until("the end", lambda: "JobState=COMPLETED" in tell("scontrol", "show", "job", number), out)
    assert "queued again; it continues then" in out()
    assert "continuing after step" in out()
    assert result(run)["steps"] == EPOCHS * STEPS
    assert not list(Path("/tmp").glob(f"imgcls-{number}.*"))
