"""The shipped digits on two Ray Train workers: everything that a finished run leaves."""

import json
import re
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tests.faults.processes import Ended, imgcls, metrics, result

_EPOCHS, _STEPS, _TRAIN, _VALIDATION = 20, 23, 1438, 359


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """The folder of a run on two workers, and how the command ended."""
    cwd = tmp_path_factory.mktemp("digits")
    ended = imgcls("launch", "digits_lenet", "--workers", 2, "--timings", cwd=cwd)
    assert ended.code == 0, ended
    return cwd / "runs/digits_lenet", ended


def test_two_workers_reach_what_the_recipe_promises(digits):
    folder, ended = digits
    reached = result(folder)
    assert reached["top1"] >= 98
    assert reached["top5"] >= 99
    assert "expected at least 98 %" in ended.out
    assert ": reached" in ended.out


def test_the_result_says_how_good_over_how_many_and_how_fast(digits):
    folder, _ = digits
    reached = result(folder)
    assert reached["n"] == _VALIDATION
    # a score is a count over n
    for key in ("top1", "top5"):
        hits = reached[key] * _VALIDATION / 100
        assert hits == pytest.approx(round(hits), abs=1e-6)
    assert reached["epochs"] == _EPOCHS
    assert reached["steps"] == _EPOCHS * _STEPS
    assert reached["images_per_second"] == pytest.approx(_EPOCHS * _TRAIN / reached["seconds"], rel=0.01)
    best = max(record["top1"] for record in metrics(folder, "evaluation"))
    assert reached["best_top1"] == pytest.approx(best, abs=1e-5)


def test_the_metrics_have_each_epoch_each_evaluation_and_the_loss_in_between(digits):
    folder, _ = digits
    epochs, evaluations, updates = (metrics(folder, kind) for kind in ("epoch", "evaluation", "train"))
    assert [record["epoch"] for record in epochs] == list(range(1, _EPOCHS + 1))
    assert [record["step"] for record in evaluations] == [_STEPS * n for n in range(1, _EPOCHS + 1)]
    assert [record["step"] for record in updates] == list(range(50, _EPOCHS * _STEPS, 50))
    # every sample once, over both workers
    assert {record["n"] for record in epochs} == {_TRAIN}
    assert {record["n"] for record in evaluations} == {_VALIDATION}
    assert all(record["lr"] > 0 for record in updates)
    assert epochs[-1]["loss"] < 0.2 < epochs[0]["loss"]
    assert evaluations[-1]["top1"] == pytest.approx(result(folder)["top1"], abs=1e-5)
    count = len((folder / "metrics.jsonl").read_text().splitlines())
    assert count == len(epochs) + len(evaluations) + len(updates)


def test_the_plan_says_what_ran(digits):
    folder, _ = digits
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["model"]["build"] == "imgcls_zoo.lenet:build"
    assert plan["workers"]["count"] == 2
    assert plan["data"]["classes"] == [str(digit) for digit in range(10)]
    assert plan["data"]["train"]["samples"] == _TRAIN
    assert plan["data"]["validation"]["samples"] == _VALIDATION
    assert {"imgcls", "torch", "ray"} <= plan["versions"].keys()
    assert any(name.startswith("nvidia-dali") for name in plan["versions"])


def test_the_resolved_recipe_is_a_recipe_and_means_the_same(digits, tmp_path):
    folder, _ = digits
    resolved = folder / "recipe.toml"
    assert "count = 2" in resolved.read_text()
    checked = imgcls("recipe", "check", resolved, cwd=tmp_path)
    assert checked.code == 0, checked
    shown = imgcls("recipe", "show", resolved, cwd=tmp_path)
    assert shown.code == 0, shown
    # the same run: its own folder takes it as its own, and says that it is finished
    arguments = ("--name", folder.name, "--storage", folder.parent)
    again = imgcls("launch", resolved, *arguments, cwd=tmp_path)
    assert again.code == 0, again
    assert "this run is finished" in again.out, again


def test_the_last_and_the_best_checkpoint_are_there_and_can_be_read_without_imgcls(digits):
    folder, _ = digits
    reached = result(folder)
    for key in ("checkpoint", "best_checkpoint"):
        weights = load_file(folder / reached[key] / "model.safetensors")
        assert sum(tensor.numel() for tensor in weights.values()) == 61_706
    assert (folder / "checkpoints/latest").read_text() == Path(reached["checkpoint"]).name
    kept = sorted(path.name for path in (folder / "checkpoints").glob("step-*"))
    last, before = _EPOCHS * _STEPS, (_EPOCHS - 1) * _STEPS
    assert set(kept) == {f"step-{last:08d}", f"step-{before:08d}", Path(reached["best_checkpoint"]).name}


def test_the_terminal_is_the_users_and_what_ray_says_is_in_the_run_folder(digits):
    folder, ended = digits
    assert ended.err == "", ended
    lines = ended.out.splitlines()
    epochs = [line for line in lines if re.match(r"epoch +\d+/20  top1", line)]
    assert len(epochs) == _EPOCHS, ended
    phases = [line for line in lines if re.search(r" \d+\.\d\d +\d+\.\d\d$", line)]
    assert {"Ray started", "worker started", "first step"} <= {re.split(r"  +", line)[0] for line in phases}
    # nothing in the colours and brackets of Ray's own log lines
    assert not re.search(r"\x1b|\(raylet|\(pid=|\(RayTrainWorker|\(TrainController|INFO|WARNING", ended.out), ended
    assert (folder / "logs/ray.log").is_file()
    assert (folder / "logs/worker-0.log").is_file()
    assert (folder / "logs/worker-1.log").is_file()
