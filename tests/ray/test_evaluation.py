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


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recipe, and a finished run of it without Ray."""
    folder = tmp_path_factory.mktemp("evaluation")
    shipped = Path(__file__).parents[2] / "recipes/digits_lenet.toml"
    (folder / "x.toml").write_text(_RECIPE.format(shipped=shipped))
    ended = imgcls("launch", "x.toml", "--workers", 0, "--name", "alone", cwd=folder)
    assert ended.code == 0, ended
    return folder


@pytest.mark.parametrize("workers", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_scores_and_n_are_those_of_the_run_without_ray(alone, workers):
    expected = result(alone / "runs/alone")
    assert expected["n"] == 359
    assert 60 < expected["top1"] < 100, "all right or all wrong would say little"
    run = _continued(alone, workers)
    found = result(run)
    for key in ("top1", "top5", "n", "steps"):
        assert found[key] == expected[key], key
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert [record["n"] for record in metrics(run, "evaluation")] == [359]
    assert [record["n"] for record in metrics(run, "epoch")] == [1438] * 5
