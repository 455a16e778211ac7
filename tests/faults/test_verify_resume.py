"""`imgcls verify-resume`: it finds that a killed run continues exactly, and it finds where one does not."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from imgcls.cli.verify_resume import _Asked, _kills, _laid_over
from imgcls.prove.resume import Kill
from imgcls.recipe.schema import Checkpointing, Train, Workers

CPUS = len(os.sched_getaffinity(0))
DIGITS = ("verify-resume", "digits_lenet", "--set", "train.epochs=2", "--workers", 0)

# adds to a weight what a clock says: no two runs are alike
PLUGIN = """
import time

import torch

from imgcls import Callback, Component, hookimpl


@hookimpl
def imgcls_callbacks():
    return [Component("clock", "clocked:build")]


class Clock(Callback):
    def step_ended(self, run):
        with torch.no_grad():
            next(run.model.parameters()).add_(1e-3 * (time.monotonic() % 1))


def build(options):
    return Clock()
"""


def install(folder: Path) -> Path:
    info = folder / "clocked-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "clocked.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clocked\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[imgcls]\nclocked = clocked\n")
    return folder


def left_over(folder: Path) -> list[str]:
    """Command lines of processes that have a folder in them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_a_run_that_is_killed_at_a_step_ends_like_one_that_never_was(run_imgcls, tmp_path):
    ended = run_imgcls(*DIGITS, "--kill-at", 10, "--times", 1, env={"TMPDIR": str(tmp_path)})
    assert ended.returncode == 0, ended
    assert ended.stderr == ""
    assert "46 steps, 23 an epoch, in one process" in ended.stdout
    assert "laid over the recipe: checkpoint.every_steps=" in ended.stdout
    kills = re.findall(r"killed: the process, seen at step (\d+).*; went on from (?:step (\d+))?", ended.stdout)
    assert len(kills) == 2, ended
    for seen, resumed in kills:
        assert 0 < int(resumed) <= int(seen), "it began again: nothing was continued"
    rows = {
        line.split()[0]: line.split()[1:] for line in ended.stdout.splitlines() if re.search("[0-9a-f]{64}", line)
    }
    assert rows.keys() == {"model", "optimizer", "scaler", "schedule", "metrics", "step", "metrics.jsonl"}
    assert {row[2] for row in rows.values()} == {"same"}
    assert int(rows["model"][0]) == 10
    assert rows["step"][3] == "46"
    assert ended.stdout.endswith("the same, bit for bit, after 2 kills\n")
    assert list(tmp_path.glob("imgcls-verify-*")) == [], "a temporary storage is left"


@pytest.mark.slow
def test_a_run_that_depends_on_a_clock_is_found_out(run_imgcls, write_recipe, tmp_path):
    path = install(tmp_path / "plugin")
    shipped = Path(__file__).parents[2] / "recipes/digits_lenet.toml"
    recipe = write_recipe(f'extends = "{shipped}"\ntrain.ema = 0.9\n[[callback]]\nname = "clocked:clock"\n')
    storage = tmp_path / "both"
    words = ("verify-resume", recipe, "--set", "train.epochs=2", "--workers", 0, "--kill-at", 12)
    ended = run_imgcls(*words, "--storage", storage, env={"PYTHONPATH": str(path)})
    assert ended.returncode == 1, ended
    last = ended.stdout.splitlines()[-1]
    assert last.startswith("NOT the same: model, EMA, optimizer")
    assert "step" not in last
    assert re.search(r"^model +10  [0-9a-f]{64}  DIFFERENT$", ended.stdout, re.MULTILINE), ended.stdout
    assert re.search(r"^step +1  [0-9a-f]{64}  same  46$", ended.stdout, re.MULTILINE), ended.stdout
    assert f"both runs, and what they printed: {storage}" in ended.stderr
    for name in ("x-undisturbed", "x-killed"):
        assert (storage / name / "result.json").is_file()
    assert "continuing after step" in (storage / "x-killed.log").read_text()
    assert left_over(storage) == []

    ended = run_imgcls(*words, "--storage", storage, env={"PYTHONPATH": str(path)})
    assert ended.returncode == 2, ended
    assert "x-undisturbed is there already" in ended.stderr


@pytest.mark.slow
def test_a_kill_that_never_came_is_no_proof(run_imgcls):
    # nothing is learnt at that rate: the run ends after its second epoch
    early = ("--set", "optimizer.lr=1e-12", "--set", "train.patience=1", "--set", "train.epochs=4")
    ended = run_imgcls(*DIGITS, *early, "--kill-at", 90)
    assert ended.returncode == 1, ended
    assert "NOT killed after step 90" in ended.stdout
    assert "the same, but only 0 of 1 kills came to be" in ended.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kill-at", 46), "--kill-at 46: the run has 46 steps; take one from 1 to 45"),
        (("--times", 46), "--times 46: the run has 46 steps"),
        (("--what", "driver"), "with 0 workers there is one process"),
        (("--workers", 1, "--what", "worker", "--during", "start"), "while a run starts there may be none"),
        (("--set", "optimizer.lrr=1"), "did you mean 'lr'"),
        (("--set", "train.batch_size=1400", "--workers", 8 * CPUS), "--set workers.cpus=0.12 lets them share"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_starts(run_imgcls, tmp_path, words, said):
    ended = run_imgcls(*DIGITS, *words, env={"TMPDIR": str(tmp_path)})
    assert ended.returncode == 2, ended
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "undisturbed" not in ended.stdout
    assert list(tmp_path.glob("imgcls-verify-*")) == []


def test_random_kills_are_those_of_the_seed_and_kinds_come_in_turn():
    def asked(steps=(), times=None, what=None, seed=0):
        return _Asked(steps, times, what, seed)

    drawn = _kills(asked(times=40, seed=3), 50, 2)
    assert drawn == _kills(asked(times=40, seed=3), 50, 2)
    assert drawn != _kills(asked(times=40, seed=4), 50, 2)
    steps = [kill.step for kill in drawn]
    assert steps == sorted(set(steps))
    assert 1 <= steps[0] < steps[-1] <= 49
    assert [kill.what for kill in drawn[:4]] == ["worker", "driver", "all", "worker"]
    assert {kill.what for kill in _kills(asked(times=9, what="driver"), 50, 2)} == {"driver"}
    assert {kill.what for kill in _kills(asked(times=9), 50, 0)} == {"all"}
    assert [kill.step for kill in _kills(asked(steps=(9, 4)), 50, 0)] == [4, 9]
    assert len(_kills(asked(), 50, 0)) == 1
    assert len(_kills(asked(steps=(9,), times=2), 50, 0)) == 3


def test_every_kind_of_process_is_killed_in_each_of_what_a_run_does():
    during = ("step", "evaluation", "checkpoint", "start")
    drawn = _kills(_Asked((), 12, None, 0, during), 50, 2)
    assert [(kill.what, kill.during) for kill in drawn[:9]] == [
        (what, doing) for doing in during[:3] for what in ("worker", "driver", "all")
    ]
    # while a run starts there may be no worker yet
    assert [(kill.what, kill.during) for kill in drawn[9:]] == [
        (what, "start") for what in ("driver", "driver", "all")
    ]
    alone = _kills(_Asked((), 5, None, 0, during), 50, 0)
    assert [kill.during for kill in alone] == [*during, "step"]


@pytest.mark.parametrize(
    ("every_steps", "first_kill", "workers_killed", "laid_over"),
    [
        (None, 24, 3, []),  # after the first epoch's end
        (None, 23, 3, ["checkpoint.every_steps=11"]),
        (None, 1, 0, ["checkpoint.every_steps=1"]),
        (5, 6, 0, []),
        (5, 5, 4, ["checkpoint.every_steps=2", "workers.max_failures=4"]),
    ],
)
def test_values_are_laid_over_the_recipe_only_where_nothing_could_be_continued(
    every_steps, first_kill, workers_killed, laid_over
):
    plan = SimpleNamespace(
        checkpoint=Checkpointing(every_steps=every_steps, every_epochs=7),
        train=Train(epochs=9, batch_size=64),
        workers=Workers(count=2),
    )
    kills = [Kill(first_kill, "driver"), *[Kill(30, "worker")] * workers_killed]
    assert [value for value, _ in _laid_over(plan, kills, per_epoch=23)] == laid_over


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_worker_the_driver_and_all_of_two_workers_can_be_killed_in_turn(run_imgcls, tmp_path):
    more = ("--set", "train.epochs=8", "--set", "train.batch_size=16", "--set", "checkpoint.every_steps=20")
    kills = ("--kill-at", 100, "--kill-at", 300, "--kill-at", 500)
    words = ("verify-resume", "digits_lenet", *more, "--workers", 2, *kills)
    ended = run_imgcls(*words, "--storage", tmp_path / "both", timeout=800)
    assert ended.returncode == 0, ended
    for killed in (r"worker [01], seen", r"the driver's process group, .*, seen", r"all \d+ processes, seen"):
        assert re.search(
            rf"^killed: {killed} at step \d+.*; went on from step \d+$", ended.stdout, re.MULTILINE
        ), ended
    assert ended.stdout.endswith("the same, bit for bit, after 3 kills\n")
    assert left_over(tmp_path) == []
