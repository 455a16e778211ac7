"""P4: an evaluation is exact, on any number of workers."""

import shutil
from pathlib import Path

import pytest
from tests.faults.processes import imgcls, metrics, result

# one step is left after the checkpoint, and its learning rate is next to nothing: the weights that are
# evaluated are the same up to rounding, while 359 samples fall into no equal parts and no whole batches
_RECIPE = """
extends = "{shipped}"
train = {{ epochs = 5, eval_batch_size = 50, evaluate_every = 5 }}
checkpoint.every_steps = 114
"""
_LAST = 115


def _continued(folder: Path, workers: int) -> Path:
    """Copy the run as it was one step before its end, and let that many workers end it."""
    name = f"on-{workers}"
    run = shutil.copytree(folder / "runs/alone", folder / "runs" / name)
    (run / "result.json").unlink()
    shutil.rmtree(run / f"checkpoints/step-{_LAST:08d}")
    share = ["--cpus-per-worker", 0.5] if workers > 2 else []
    ended = imgcls("launch", "x.toml", "--workers", workers, *share, "--name", name, cwd=folder)
    assert ended.code == 0, ended
    assert f"continuing after step {_LAST - 1} of {_LAST}" in ended.out, ended
    return run


def test_the_scores_and_n_are_the_same_without_ray_on_two_workers_and_on_three(tmp_path):
    shipped = Path(__file__).parents[2] / "recipes/digits_lenet.toml"
    (tmp_path / "x.toml").write_text(_RECIPE.format(shipped=shipped))
    ended = imgcls("launch", "x.toml", "--workers", 0, "--name", "alone", cwd=tmp_path)
    assert ended.code == 0, ended
    expected = result(tmp_path / "runs/alone")
    assert expected["n"] == 359
    assert 60 < expected["top1"] < 100, "all right or all wrong would say little"
    for workers in (2, 3):
        run = _continued(tmp_path, workers)
        found = result(run)
        assert {key: found[key] for key in ("top1", "top5", "n", "steps")} == {
            key: expected[key] for key in ("top1", "top5", "n", "steps")
        }
        assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)
        assert [record["n"] for record in metrics(run, "evaluation")] == [359]
        assert [record["n"] for record in metrics(run, "epoch")] == [1438] * 5
