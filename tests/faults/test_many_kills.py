"""Half a hundred random kills, with nothing lost: at any step, in evaluations, in checkpoints, while a run starts.

With those of test_verify_resume.py more than fifty. Who wants more: `imgcls verify-resume digits_lenet --times 200`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.faults.test_verify_resume import left_over

DIGITS = Path(__file__).parents[2] / "recipes/digits_lenet.toml"
# whatever of a run has a state: a moving average, a schedule that looks at evaluations
EVERYTHING = f"""
extends = "{DIGITS}"
schedule = {{ name = "plateau", patience = 1, factor = 0.5 }}
train = {{ epochs = 8, ema = 0.9, log_every = 10 }}
checkpoint.every_steps = 5
"""
# a scaled loss too: slow on a CPU
SCALED = ("--set", "train.precision='fp16'", "--set", "train.epochs=4")
GROUPS = {"model", "EMA", "optimizer", "scaler", "schedule", "metrics", "step", "metrics.jsonl"}
IN_TURN = ("--during", "evaluation", "--during", "checkpoint", "--during", "start")


def _groups(out: str) -> dict[str, list[str]]:
    """Return the rows of the table: name -> parts, SHA-256, verdict, and the value where it is short."""
    rows = [line.split() for line in out.splitlines() if re.search("[0-9a-f]{64}|has no state", line)]
    return {row[0]: row[1:] for row in rows}


def _proved(ended, kills: int, storage: Path) -> list[str]:
    """Return the lines that tell of kills, once all is as it should be."""
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert ended.stdout.endswith(f"the same, bit for bit, after {kills} kills\n"), ended.stdout
    rows = _groups(ended.stdout)
    assert rows.keys() == GROUPS, "a group of the run's state is not compared"
    assert {row[2] for row in rows.values()} == {"same"}
    assert left_over(storage) == []
    lines = [line for line in ended.stdout.splitlines() if line.startswith("killed: ") and "seen at" in line]
    assert len(lines) == kills, ended.stdout
    return lines


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_run_in_one_process_can_be_killed_28_times_at_random(run_imgcls, write_recipe, tmp_path):
    recipe, storage = write_recipe(EVERYTHING), tmp_path / "both"
    # with this seed the last kill is at step 165 of 184
    words = ("verify-resume", recipe, "--workers", 0, "--times", 28, "--seed", 67, "--storage", storage)
    ended = run_imgcls(*words, timeout=2300)
    lines = _proved(ended, 28, storage)
    # a kill before the first checkpoint begins anew, which is well; one after it must not
    assert sum("went on from step" in line for line in lines) > 20
    assert (storage / "x-killed.log").read_text().count("continuing after step") > 20


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_run_can_be_killed_in_evaluations_within_checkpoints_and_while_it_starts(
    run_imgcls, write_recipe, tmp_path
):
    recipe, storage = write_recipe(EVERYTHING), tmp_path / "both"
    # of 92; evaluations come after 23, 46, 69 and 92
    steps = [word for step in (3, 24, 35, 40, 47, 55, 60, 70, 78) for word in ("--kill-at", step)]
    words = ("verify-resume", recipe, *SCALED, "--workers", 0, *steps, *IN_TURN, "--storage", storage)
    ended = run_imgcls(*words, timeout=2300)
    lines = _proved(ended, 9, storage)
    assert "has no state" not in ended.stdout
    for kind, said in enumerate(("evaluating", "writing a checkpoint", "into the start")):
        assert all(said in line for line in lines[kind::3]), lines
    assert any("a checkpoint was left half written" in line for line in lines[1::3]), (
        "none was killed while its checkpoint was being written"
    )


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_two_workers_can_be_killed_one_with_their_driver_or_all_whatever_they_do(
    run_imgcls, write_recipe, tmp_path
):
    recipe, storage = write_recipe(EVERYTHING), tmp_path / "both"
    more = ("--set", "train.batch_size=16", "--set", "checkpoint.every_steps=20", "--workers", 2)
    # with this seed the last kill is at step 563 of 720
    kills = ("--times", 12, "--seed", 4, "--during", "step", *IN_TURN)
    ended = run_imgcls("verify-resume", recipe, *more, *kills, "--storage", storage, timeout=2300)
    lines = _proved(ended, 12, storage)
    whom = (r"worker [01], seen", r"the driver's process group, .*, seen", r"all \d+ processes, seen")
    for number, line in enumerate(lines[:9]):
        assert re.match(f"killed: {whom[number % 3]}", line), line
    # what is not there yet cannot be killed: while a run starts, its driver
    for number, line in enumerate(lines[9:]):
        assert re.match(f"killed: {whom[max(1, number)]}.*into the start", line), line
