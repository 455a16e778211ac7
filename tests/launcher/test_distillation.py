"""Distillation by the real command: a teacher is a run, what is wrong with one is said before training."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.faults.processes import imgcls, result

from imgcls import lock
from imgcls.distillation import resolve, teacher_of
from imgcls.errors import UserError
from imgcls.plan import Plan, differences
from imgcls.plugins import Plugins
from imgcls.recipe import read, shipped
from imgcls.run_folder import RunFolder

SHORT = ("--set", "train.epochs=2", "--workers", 0)
DIGITS = tuple(str(number) for number in range(10))


def launched(folder: Path, name: str, *more: object):
    return imgcls("launch", "digits_lenet", "--name", name, *SHORT, *more, cwd=folder)


def distilled(method: str, teacher: object = None) -> tuple[str, ...]:
    values = [f"distill.method={method}", *([f"distill.teacher={teacher}"] if teacher else [])]
    return tuple(word for value in values for word in ("--set", value))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the finished run ``runs/big``. Tests change nothing in it."""
    folder = tmp_path_factory.mktemp("trained")
    ended = launched(folder, "big")
    assert ended.code == 0, ended
    return folder


@pytest.fixture
def recipe_of(tmp_path):
    """Return a function from overrides to the recipe of digits with them."""
    plugins = Plugins(distribution("imgcls").entry_points.select(group="imgcls"))
    return lambda *overrides: read(shipped()["digits_lenet"], plugins, overrides)


@pytest.fixture
def refused(recipe_of):
    """Return a function from a teacher to what is said of it."""

    def said(teacher, *overrides, classes=DIGITS, method="soft"):
        recipe = recipe_of(f"distill.method={method}", f"distill.teacher={teacher}", *overrides)
        with pytest.raises(UserError) as raised:
            resolve(recipe, classes)
        first, *rest = str(raised.value).split("\n")
        assert rest == ["1 problem; nothing was started."]
        assert first.startswith(f"--set distill.teacher={teacher}: distill.teacher: ")
        return first.removeprefix(f"--set distill.teacher={teacher}: distill.teacher: ")

    return said


def test_a_student_learns_from_a_run_and_says_so_and_goes_on_without_it_once_finished(trained, tmp_path):
    shutil.copytree(trained / "runs/big", tmp_path / "runs/big")
    words = distilled("soft", "runs/big")
    ended = launched(tmp_path, "small", *words)
    assert ended.code == 0, ended
    written = RunFolder(tmp_path / "runs/small")
    plan = Plan.from_json(written.plan.read_text())
    best = tmp_path / "runs/big" / result(tmp_path / "runs/big")["best_checkpoint"]
    assert plan.distill.weights.path == str(best / "model.safetensors")
    assert f"note: the teacher is lenet5 of runs/big, SHA-256 {plan.distill.weights.sha256[:12]}" in ended.out, (
        ended
    )
    assert lock.read(written).teacher == plan.distill.weights.sha256
    assert {p.name for p in written.checkpoints.glob("*/*.safetensors")} == {
        "model.safetensors",
        "optimizer.safetensors",
    }
    for checkpoint in (tmp_path / "runs/big/checkpoints").glob("step-*"):
        shutil.rmtree(checkpoint)
    ended = launched(tmp_path, "small", *words)
    assert ended.code == 0, ended
    assert "this run is finished" in ended.out, ended
    ended = launched(tmp_path, "another", *words)
    assert ended.code == 2, ended
    assert "distill.teacher: runs/big: is no run's folder with a checkpoint" in ended.err, ended
    assert "Traceback" not in ended.err, ended


def test_a_teacher_is_part_of_what_makes_a_run_the_run_it_is(trained, recipe_of, monkeypatch):
    monkeypatch.chdir(trained)
    soft = resolve(recipe_of(*[word for word in distilled("soft", "runs/big") if word != "--set"]), DIGITS)
    plan = Plan.from_json((trained / "runs/big/plan.json").read_text())
    one = replace(plan, distill=soft)
    assert not [key for key in plan.identity if key.startswith("distill")]
    assert one.identity["distill.weights"] == soft.weights.sha256
    elsewhere = replace(soft, weights=replace(soft.weights, source="x", path="y"))
    assert differences(one, replace(plan, distill=elsewhere)) == []
    another = replace(soft, weights=replace(soft.weights, sha256="ff"))
    (line,) = differences(one, replace(plan, distill=another))
    assert line == f"distill.weights: was {soft.weights.sha256}, is now ff"
    assert "distill.temperature: was 4.0, is now 2.0" in differences(
        one, replace(plan, distill=replace(soft, temperature=2.0))
    )
    assert Plan.from_json(one.to_json()) == one


def test_a_lock_tells_of_another_teacher(trained, recipe_of, monkeypatch):
    monkeypatch.chdir(trained)
    old = lock.read(RunFolder(trained / "runs/big"))
    assert old.teacher is None
    found = teacher_of(recipe_of("distill.method=ssld", "distill.teacher=runs/big"))
    assert lock.differences(old, replace(old, teacher=found)) == [f"teacher: was None, is {found}"]


def test_a_lock_that_was_written_before_there_were_teachers_is_read(trained, tmp_path):
    folder = RunFolder(tmp_path)
    tree = json.loads((trained / "runs/big/run.lock.json").read_text())
    del tree["teacher"]
    folder.provenance.write_text(json.dumps(tree))
    assert lock.read(folder).teacher is None


def test_a_teacher_that_is_not_there_is_answered_with_what_one_can_be(refused):
    assert refused("runs/none").startswith("runs/none: there is no such file; give a file, a run's folder")
    assert refused("big.toml").startswith(
        "big.toml: a recipe is not a trained model; give `imgcls launch big.toml`, and then name the folder"
    )


def test_a_run_that_is_not_finished_is_answered_with_both_ways_on(trained, refused, tmp_path):
    shutil.copytree(trained / "runs/big", tmp_path / "runs/big")
    folder = RunFolder(tmp_path / "runs/big")
    folder.result.unlink()
    newest = max(folder.checkpoints.glob("step-*"))
    said = refused(folder.path)
    assert "this run is not finished" in said
    assert "give the command again that began it" in said
    assert f'teacher = "{newest}"' in said
    for path in folder.checkpoints.glob("step-*"):
        shutil.rmtree(path)
    assert "has no checkpoint yet" in refused(folder.path)


def test_a_checkpoint_of_a_run_can_be_a_teacher(trained, recipe_of):
    checkpoint = min((trained / "runs/big/checkpoints").glob("step-*"))
    found = resolve(recipe_of("distill.method=ssld", f"distill.teacher={checkpoint}"), DIGITS)
    assert found.weights.path == str(checkpoint / "model.safetensors")
    assert (found.temperature, found.weight, found.model.name) == (1.0, 1.0, "lenet5")
    plan = Plan.from_json((trained / "runs/big/plan.json").read_text())
    assert found.seen == plan.data.train.digest


def test_other_classes_other_channels_and_a_model_too_many_are_refused(trained, refused):
    big = trained / "runs/big"
    said = refused(big, classes=("a", "b"))
    assert (
        "its model tells other classes apart than this recipe's data has: (0, 1, 2, ..., 10 in all), not (a, b)"
        in said
    )
    assert "set input.channels = 1" in refused(big, "input.channels=3", "input.mean=[0.5]", "input.std=[0.5]")
    assert "leave distill.model out" in refused(big, "distill.model=lenet5")


@pytest.mark.parametrize("file", ["model.safetensors", "plan.json", "manifest.json"])
def test_a_damaged_teacher_is_refused(trained, refused, tmp_path, file):
    checkpoint = max((trained / "runs/big/checkpoints").glob("step-*"))
    copy = tmp_path / "copy"
    shutil.copytree(checkpoint, copy)
    data = bytearray((copy / file).read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    (copy / file).write_bytes(data)
    assert str(copy / file) in refused(copy)


def test_a_file_of_weights_needs_its_model_and_is_shown_images_as_published(trained, refused, recipe_of, tmp_path):
    file = tmp_path / "lenet.safetensors"
    shutil.copy(max((trained / "runs/big/checkpoints").glob("step-*")) / "model.safetensors", file)
    assert "does not say of which model it is; set distill.model" in refused(file)
    words = ("distill.method=soft", f"distill.teacher={file}", "distill.model=lenet5_28", "input.size=40")
    found = resolve(recipe_of(*words), DIGITS)
    assert (found.format.size, found.format.channels, found.format.mean) == (28, 1, (0.5,))
    assert found.model.options["padding"] == 2


def test_a_file_of_another_model_ends_the_run_before_its_first_step(trained, tmp_path):
    tensors = load_file(max((trained / "runs/big/checkpoints").glob("step-*")) / "model.safetensors")
    save_file({**tensors, "output.bias": tensors["output.bias"][:7].clone()}, tmp_path / "seven.safetensors")
    ended = launched(tmp_path, "a", *distilled("soft", "seven.safetensors"), "--set", "distill.model=lenet5")
    assert ended.code == 2, ended
    assert "as lenet5 of 10 classes: the weights are not this model's, nothing was loaded" in ended.err, ended
    assert "output.bias is 7 in the file, 10 in the model" in ended.err, ended
    assert "Traceback" not in ended.err, ended
    assert not list((tmp_path / "runs/a/checkpoints").iterdir())


@pytest.mark.slow
def test_of_two_models_the_first_is_evaluated_asked_exported_and_repeated(tmp_path):
    ended = launched(tmp_path, "dml", *distilled("dml"))
    assert ended.code == 0, ended
    run = tmp_path / "runs/dml"
    last = max((run / "checkpoints").glob("step-*"))
    first = load_file(last / "model.safetensors")
    assert first.keys() == load_file(last / "peer.safetensors").keys()
    ended = imgcls("evaluate", last, "--json", "-", cwd=tmp_path)
    assert ended.code == 0, ended
    assert json.loads(ended.out)["top1"] == pytest.approx(result(run)["top1"], abs=0.01)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (32, 32), dtype=np.uint8)).save(tmp_path / "a.png")
    ended = imgcls("predict", run, "a.png", "--format", "jsonl", cwd=tmp_path)
    assert ended.code == 0, ended
    assert len(json.loads(ended.out)["top"]) == 5
    ended = imgcls("export", last, "--to", "safetensors", "--out", "out.safetensors", cwd=tmp_path)
    assert ended.code == 0, ended
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        assert set(file.keys()) <= first.keys()
    # also where somebody is editing the code
    ended = imgcls("rerun", run, "--anyway", cwd=tmp_path)
    assert ended.code == 0, ended
    assert "are, bit for bit, those of" in ended.out, ended


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("method", ["soft", "dml"])
def test_a_killed_run_on_three_workers_continues_exactly(trained, method):
    words = distilled(method, None if method == "dml" else "runs/big")
    ended = imgcls(
        "verify-resume", "digits_lenet", "--set", "train.epochs=2", "--workers", 3, "--kill-at", 30, *words,
        "--set", "workers.cpus=0.5", "--set", "checkpoint.every_steps=10", "--storage", trained / f"verified-{method}",
        cwd=trained, limit=1400,
    )  # fmt: skip
    assert ended.code == 0, ended
    assert ("peer" in ended.out) == (method == "dml"), ended
