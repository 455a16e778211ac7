"""Runs whose workers have a part of each weight: killed and continued, and evaluated, as any other."""

import json

import pytest
from tests.faults.processes import imgcls, result
from tests.faults.recipes import small_steps

SHARDED = ("--set", 'train.parallel="fsdp"', "--workers", 2)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_continues_bit_for_bit_after_a_kill(tmp_path):
    recipe = small_steps(tmp_path, epochs=1, more="schedule.warmup_epochs = 0.1")
    words = ("verify-resume", recipe, *SHARDED, "--set", "train.ema=0.99", "--kill-at", 80)
    ended = imgcls(*words, cwd=tmp_path, limit=800)
    assert ended.code == 0, ended


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_its_checkpoint_is_evaluated_to_the_same_counts(tmp_path):
    ended = imgcls("launch", "digits_lenet", *SHARDED, "--name", "sharded", cwd=tmp_path, limit=800)
    assert ended.code == 0, ended
    reached = result(tmp_path / "runs" / "sharded")
    assert reached["best_top1"] > 90
    ended = imgcls("evaluate", tmp_path / "runs" / "sharded", "--json", "-", cwd=tmp_path)
    assert ended.code == 0, ended
    found = json.loads(ended.out)
    assert (found["n"], found["top1"]) == (reached["n"], pytest.approx(reached["best_top1"], abs=1e-6))
