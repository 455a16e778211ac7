"""``imgcls average``: what it says, what others make of what it writes, and what it leaves alone."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

from imgcls.cli import cli
from imgcls.errors import UserError
from imgcls.weights import locate

# batch norm, whose statistics are measured anew
SETTINGS = (
    "model.name=resnet20_cifar", "input={ size = 8, channels = 1 }", "train.batch_size=128", "train.epochs=2",
    "checkpoint.keep=2",
)  # fmt: skip


def imgcls(folder, *words):
    command = [sys.executable, "-m", "imgcls", *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=600, check=False)


pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with its average."""
    folder = tmp_path_factory.mktemp("average")
    words = [word for setting in SETTINGS for word in ("--set", setting)]
    ended = imgcls(folder, "launch", "digits_lenet", "--workers", 0, "--cpus-per-worker", 1, "--plain", *words)
    assert ended.returncode == 0, ended
    made = imgcls(folder, "average", "runs/digits_lenet")
    assert made.returncode == 0, made
    (folder / "said").write_text(made.stdout)
    return folder / "runs/digits_lenet"


def test_it_says_what_was_averaged_and_how_good_it_is_beside_the_run(run):
    lines = (run.parents[1] / "said").read_text().splitlines()
    result = json.loads((run / "result.json").read_text())
    assert lines[:3] == [
        "averaging 2 checkpoints: steps 12, 24",
        "batch norm: statistics of one pass over 1,438 training images",
        "written: runs/digits_lenet/averaged",
    ]
    assert lines[3].endswith("% of 359 validation of digits, as in the run")
    assert lines[4].startswith(f"the run's: {result['top1']:.2f} % last, {result['best_top1']:.2f} % best (step ")
    record = json.loads((run / "averaged/averaged.json").read_text())
    assert record == {"steps": [12, 24], "of": ["model.safetensors"] * 2, "statistics": "measure"}


def test_evaluate_finds_what_was_said_and_weights_takes_the_folder(run):
    ended = imgcls(run.parents[1], "evaluate", "runs/digits_lenet/averaged", "--json", "-")
    assert ended.returncode == 0, ended
    said = (run.parents[1] / "said").read_text()
    assert f"top-1 {json.loads(ended.stdout)['top1']:.2f} % of 359" in said
    found = locate(str(run / "averaged"))
    assert found.path == str(run / "averaged/model.safetensors")
    average, newest = load_file(found.path), load_file(run / "checkpoints/step-00000024/model.safetensors")
    assert average.keys() == newest.keys()
    assert {name: (a.shape, a.dtype) for name, a in average.items()} == {
        name: (a.shape, a.dtype) for name, a in newest.items()
    }


def refused(*words):
    error = CliRunner().invoke(cli, ["average", *map(str, words)], standalone_mode=False).exception
    assert isinstance(error, UserError), error
    return str(error)


def test_what_cannot_be_is_refused_and_nothing_is_overwritten(run, tmp_path):
    before = (run / "averaged/model.safetensors").read_bytes()
    assert "is there already and was left as it is" in refused(run)
    assert "is there, and is no average of checkpoints" in refused(run, "--out", tmp_path, "--force")
    assert "there is no folder" in refused(run, "--out", tmp_path / "no/where")
    new = ("--out", tmp_path / "new")
    assert "give one of them" in refused(run, "--last", 2, "--steps", "12,24", *new)
    assert "expected numbers of steps" in refused(run, "--steps", "12,last", *new)
    assert "set checkpoint.keep = 4" in refused(run, "--last", 4, *new)
    assert "is no run's folder with checkpoints" in refused(tmp_path, *new)
    assert not (tmp_path / "new").exists()
    assert (run / "averaged/model.safetensors").read_bytes() == before
