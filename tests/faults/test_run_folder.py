"""A run's folder: damaged checkpoints, other recipes, two launches at once, places that cannot be written."""

import os
from pathlib import Path

import pytest
from tests.faults import plugin
from tests.faults.processes import Launch, assert_same_end, imgcls, result
from tests.faults.recipes import EPOCHS, STEPS, small_steps

_ARGUMENTS = ("launch", "small_steps.toml", "--workers", 0)


def _contents(folder: Path) -> dict[str, bytes]:
    """Every file of a run but the lock, which says who looked last, and what its workers note of themselves."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != ".lock" and p.parent.name != "places")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _interrupted(folder: Path, name: str) -> Path:
    with Launch([*_ARGUMENTS, "--name", name], folder) as launch:
        launch.wait_for("the first epoch", lambda: "epoch   1/2" in launch.out)
        launch.interrupt()
        assert launch.ended().code == 130
    return folder / "runs" / name / "checkpoints"


@pytest.mark.parametrize(
    "file",
    [
        "model.safetensors",
        pytest.param("optimizer.safetensors", marks=pytest.mark.slow),
        pytest.param("state.json", marks=pytest.mark.slow),
    ],
)
def test_a_checkpoint_with_one_flipped_bit_is_passed_over_with_a_warning(alone, file):
    name = f"flipped-{file}"
    checkpoints = _interrupted(alone, name)
    newest, before = sorted(checkpoints.glob("step-*"), reverse=True)[:2]
    data = bytearray((newest / file).read_bytes())
    data[len(data) // 2] ^= 1
    (newest / file).write_bytes(data)
    ended = imgcls(*_ARGUMENTS, "--name", name, cwd=alone)
    assert ended.code == 0, ended
    warning = next(line for line in ended.out.splitlines() if line.startswith("warning:"))
    assert newest.name in warning, ended
    assert file in warning, ended
    assert f"continuing after step {int(before.name.removeprefix('step-'))} " in ended.out, ended
    assert_same_end(alone / "runs/undisturbed", alone / "runs" / name)


def test_a_checkpoint_that_was_cut_off_while_written_is_passed_over(alone):
    checkpoints = _interrupted(alone, "cut")
    newest = max(checkpoints.glob("step-*"))
    (newest / "manifest.json").unlink()
    # what a killed writer leaves: its temporary folder
    (checkpoints / ".step-00000999.1").mkdir()
    ended = imgcls(*_ARGUMENTS, "--name", "cut", cwd=alone)
    assert ended.code == 0, ended
    assert f"warning: {newest}" in ended.out or f"{newest.name}: cannot be read" in ended.out, ended
    assert_same_end(alone / "runs/undisturbed", alone / "runs/cut")


def test_another_recipe_is_refused_and_nothing_in_the_folder_is_changed(alone):
    run = alone / "runs/undisturbed"
    before = _contents(run)
    ended = imgcls(*_ARGUMENTS, "--name", "undisturbed", "--set", "optimizer.lr=0.03", cwd=alone)
    assert ended.code == 2, ended
    assert "optimizer.options.lr: was 0.02, is now 0.03" in ended.err, ended
    assert "Traceback" not in ended.err, ended
    assert _contents(run) == before
    assert {"result.json", "plan.json", "metrics.jsonl"} <= before.keys()


def test_another_recipe_is_refused_in_an_unfinished_run_too(alone):
    _interrupted(alone, "unfinished")
    run = alone / "runs/unfinished"
    before = _contents(run)
    ended = imgcls(*_ARGUMENTS, "--name", "unfinished", "--set", "model.activation='relu'", cwd=alone)
    assert ended.code == 2, ended
    assert "tanh" in ended.err, ended
    assert "relu" in ended.err, ended
    assert _contents(run) == before


def test_a_finished_run_launched_again_says_so_and_changes_nothing(alone):
    run = alone / "runs/undisturbed"
    before = _contents(run)
    ended = imgcls(*_ARGUMENTS, "--name", "undisturbed", cwd=alone)
    assert ended.code == 0, ended
    assert "this run is finished" in ended.out, ended
    assert f"top1 {result(run)['top1']:.2f} %" in ended.out, ended
    assert "epoch   1" not in ended.out, ended
    assert _contents(run) == before


def test_a_folder_that_another_launch_holds_is_refused_with_the_holder(tmp_path):
    small_steps(tmp_path, more='[[callback]]\nname = "faulty:hangs"')
    path = plugin.install(tmp_path / "plugin")
    with Launch([*_ARGUMENTS, "--name", "held"], tmp_path, path=path) as holder:
        holder.wait_for("the hanging callback", lambda: "hanging" in holder.out)
        before = _contents(tmp_path / "runs/held")
        ended = imgcls(*_ARGUMENTS, "--name", "held", cwd=tmp_path, path=path)
        assert holder.process.poll() is None
        assert ended.code == 2, ended
        assert f"in use by process {holder.process.pid}" in ended.err, ended
        assert _contents(tmp_path / "runs/held") == before
    # the kernel lets go of it, however the holder ended: the next launch comes as far as its weights
    freed = imgcls(*_ARGUMENTS, "--name", "held", "--set", "weights=nowhere.pth", cwd=tmp_path, path=path)
    assert freed.code == 2, freed
    assert "weights nowhere.pth: there is no such file" in freed.err, freed


def test_a_run_continues_on_another_number_of_workers(alone):
    _interrupted(alone, "resized")
    ended = imgcls("launch", "small_steps.toml", "--workers", 2, "--name", "resized", cwd=alone)
    assert ended.code == 0, ended
    assert "continuing after step" in ended.out, ended
    here, there = result(alone / "runs/resized"), result(alone / "runs/undisturbed")
    assert here["steps"] == there["steps"] == EPOCHS * STEPS
    assert here["n"] == there["n"] == 359
    # the same samples in the same global batches: the same run up to the rounding of sums
    assert here["top1"] == pytest.approx(there["top1"], abs=0.6)
    assert here["loss"] == pytest.approx(there["loss"], rel=0.02)


def test_a_storage_that_cannot_be_written_is_named(tmp_path):
    small_steps(tmp_path)
    (tmp_path / "file").write_text("no folder")
    ended = imgcls(*_ARGUMENTS, "--storage", "file/below", cwd=tmp_path)
    assert ended.code == 2, ended
    assert "file/below" in ended.err, ended
    assert "--storage" in ended.err, ended
    assert "Traceback" not in ended.err, ended


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden"])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path, name):
    small_steps(tmp_path)
    ended = imgcls(*_ARGUMENTS, "--name", name, cwd=tmp_path)
    assert ended.code == 2, ended
    assert "--name" in ended.err, ended
    assert not (tmp_path / "runs").exists()


def test_a_negative_number_of_workers_is_refused(tmp_path):
    small_steps(tmp_path)
    ended = imgcls("launch", "small_steps.toml", "--workers", -1, cwd=tmp_path)
    assert ended.code == 2, ended
    assert "-1" in ended.err, ended
    assert "--workers" in ended.err, ended
    assert not (tmp_path / "runs").exists()


def test_more_workers_than_fit_are_refused_with_the_arithmetic_before_anything_starts(tmp_path):
    small_steps(tmp_path)
    ended = imgcls("launch", "small_steps.toml", "--workers", 1000, cwd=tmp_path)
    assert ended.code == 2, ended
    cpus = len(os.sched_getaffinity(0))
    assert f"1000 workers of 1 CPU need 1000 CPUs, this machine has {cpus}" in ended.err, ended
    assert "Traceback" not in ended.err, ended
    assert ended.seconds < 10
    assert not (tmp_path / "runs").exists()
