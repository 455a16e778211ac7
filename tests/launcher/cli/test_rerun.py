"""`imgcls rerun`: the same weights, or each difference that stops it.

The code of imgcls is part of a lock, and somebody may be editing this clone: the commands run from a copy of it.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from tests.faults import plugin

ROOT = Path(__file__).parents[3]
SHORT = ("--workers", 0, "--set", "train.epochs=2")


@pytest.fixture(scope="session")
def code(tmp_path_factory):
    copy = tmp_path_factory.mktemp("code")
    for package in (ROOT / "launcher/imgcls", *(ROOT / "plugins").glob("imgcls_*")):
        shutil.copytree(package, copy / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def command(run_imgcls, code):
    def run(*arguments, more: Path | None = None, cwd: Path | None = None):
        path = os.pathsep.join(str(folder) for folder in (more, code) if folder is not None)
        return run_imgcls(*arguments, cwd=cwd, env={"PYTHONPATH": path})

    return run


@pytest.fixture
def acme(tmp_path, write_recipe, command):
    """A finished run, ``x``, of a recipe with another package's model; the folder of that package."""
    folder = plugin.install(tmp_path / "plugin")
    write_recipe(f'extends = "{ROOT}/recipes/digits_lenet.toml"\nmodel = "faulty:prints"\n')
    ended = command("launch", "x.toml", *SHORT, more=folder)
    assert ended.returncode == 0, ended
    return folder


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def weights(run):
    return (run / json.loads((run / "result.json").read_text())["checkpoint"] / "model.safetensors").read_bytes()


def test_a_finished_run_is_repeated_bit_for_bit_from_its_lock_alone(command, tmp_path):
    recipe = ROOT / "recipes/digits_lenet.toml"
    ended = command("launch", recipe, "--name", "first", *SHORT, "--set", "train.batch_size=128")
    assert ended.returncode == 0, ended
    first = tmp_path / "runs/first"
    written = json.loads((first / "run.lock.json").read_text())
    assert written["versions"].keys() >= {"python", "torch", "ray", "imgcls", "numpy"}
    assert any(name.startswith("nvidia-dali") for name in written["versions"])
    assert (written["seed"], written["workers"], written["weights"]) == (1, 0, None)
    assert len(written["code"]["imgcls"]) == len(written["data"]["train"]) == 64
    assert "batch_size = 128" in written["recipe"]
    (first / "plan.json").unlink()
    (first / "recipe.toml").unlink()
    before = contents(first)
    ended = command("rerun", "runs/first")
    assert ended.returncode == 0, ended
    assert ended.stderr == ""
    assert weights(tmp_path / "runs/first-rerun") == weights(first)
    assert "the weights are, bit for bit, those of" in ended.stdout
    assert "expected at least" not in ended.stdout, "the figure was another run's"
    assert contents(first) == before
    ended = command("rerun", first, cwd=tmp_path / "runs")
    assert ended.returncode == 0, ended
    assert weights(tmp_path / "runs/first-rerun-2") == weights(first)

    # weights that nothing explains
    other = first / json.loads((first / "result.json").read_text())["checkpoint"] / "model.safetensors"
    flipped = bytearray(other.read_bytes())
    flipped[-1] ^= 1
    other.write_bytes(flipped)
    ended = command("rerun", "runs/first", "--storage", "elsewhere", "--name", "third")
    assert ended.returncode == 1, ended
    assert "the weights are NOT those of" in ended.stdout
    assert (tmp_path / "elsewhere/third/run.lock.json").is_file()


@pytest.mark.slow
def test_a_plugin_with_other_code_version_or_none_is_listed_and_nothing_started(command, acme, tmp_path):
    def refused(*lines):
        ended = command("rerun", "runs/x", more=acme)
        assert ended.returncode == 2, ended
        assert ended.stdout == ""
        assert "Traceback" not in ended.stderr
        for line in lines:
            assert line in ended.stderr, ended.stderr
        assert not (tmp_path / "runs/x-rerun").exists()
        return ended.stderr

    parts, about = acme / "faulty_parts.py", acme / "faulty-1.0.dist-info/METADATA"
    parts.write_text(parts.read_text() + "\n# another line\n")
    said = refused("code of faulty: was ", "--anyway", "1 difference:")
    assert "code of imgcls" not in said
    about.write_text(about.read_text().replace("Version: 1.0", "Version: 1.1"))
    refused("2 differences", "    faulty: was 1.0, is 1.1\n", "code of faulty: was ")

    ended = command("rerun", "runs/x", "--anyway", "--name", "again", more=acme)
    assert ended.returncode == 0, ended
    assert "faulty: was 1.0, is 1.1" in ended.stderr
    assert weights(tmp_path / "runs/again") == weights(tmp_path / "runs/x")

    shutil.rmtree(acme)
    refused("faulty: was 1.0, is not installed", "recipe: can no longer be read", "unknown model 'faulty:prints'")
    ended = command("rerun", "runs/x", "--anyway", more=acme)
    assert ended.returncode == 2, ended
    assert "mend what can no longer be read" in ended.stderr


@pytest.mark.slow
def test_what_changes_while_a_run_is_continued_is_kept_in_its_lock(command, acme, tmp_path):
    run = tmp_path / "runs/x"
    (run / "result.json").unlink()
    parts = acme / "faulty_parts.py"
    before = parts.read_text()
    parts.write_text(before + "\n# another line\n")
    ended = command("launch", "x.toml", *SHORT, more=acme)
    assert ended.returncode == 0, ended
    assert "note: since this run was begun, code of faulty: was " in ended.stdout
    parts.write_text(before)
    ended = command("rerun", "runs/x", more=acme)
    assert ended.returncode == 2, ended
    assert "while it ran, code of faulty: was " in ended.stderr

    (run / "run.lock.json").write_text("{")
    ended = command("rerun", "runs/x", more=acme)
    assert ended.returncode == 2, ended
    assert "run.lock.json: is damaged" in ended.stderr


@pytest.mark.slow
def test_changed_and_missing_data_and_another_number_of_workers_are_listed(command, write_recipe, tmp_path):
    digits = load_digits()
    for number, (picture, label) in enumerate(zip(digits.images[:60], digits.target[:60], strict=True)):
        path = tmp_path / f"images/{label}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((picture * 15).astype(np.uint8)).save(path)
    write_recipe(
        f'extends = "{ROOT}/recipes/digits_lenet.toml"\n'
        'data = { name = "image_folder", root = "images", validation = 0.2 }\n'
        "train.batch_size = 8\n"
    )
    ended = command("launch", "x.toml", *SHORT)
    assert ended.returncode == 0, ended
    ended = command("rerun", "runs/x", "--workers", 2)
    assert ended.returncode == 2, ended
    assert "1 difference:\n    workers: was 0, is 2\n" in ended.stderr
    Image.fromarray(np.full((8, 8), 100, np.uint8)).save(tmp_path / "images/3/one_more.png")
    ended = command("rerun", "runs/x")
    assert ended.returncode == 2, ended
    assert "    data, train: was " in ended.stderr
    (tmp_path / "other").mkdir()
    ended = command("rerun", "../runs/x", cwd=tmp_path / "other")
    assert ended.returncode == 2, ended
    assert "data: cannot be had" in ended.stderr
    assert f"RUN was begun in {tmp_path}" in ended.stderr
    assert not (tmp_path / "runs/x-rerun").exists()


def test_a_folder_that_is_no_run_and_a_name_that_is_no_name_are_refused(command, acme, tmp_path):
    for words, said in ((("nowhere",), "it is no run's folder"), (("runs/x", "--name", "a/b"), "--name 'a/b'")):
        ended = command("rerun", *words, more=acme)
        assert ended.returncode == 2, ended
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr
