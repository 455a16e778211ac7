"""``imgcls export``: all three forms of a real run, what they say of themselves, and that nothing is lost or left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors import safe_open

from imgcls.data.index import Index
from imgcls.plan import Plan
from imgcls.train.description import KEY
from imgcls.train.weights import read


def imgcls(folder, *words, env=None, code=None):
    start = ["-c", code] if code else ["-m", "imgcls"]
    return subprocess.run(
        [sys.executable, *start, *map(str, words)],
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with a run of LeNet-5 on digits, whose served weights are the moving average's."""
    folder = tmp_path_factory.mktemp("export")
    words = ("--workers", 0, "--set", "train.epochs=2", "--set", "train.ema=0.9", "--plain")
    ended = imgcls(folder, "launch", "digits_lenet", *words)
    assert ended.returncode == 0, ended
    return folder


@pytest.fixture
def folder(run, tmp_path):
    """A copy of it, to be spoilt."""
    shutil.copytree(run / "runs", tmp_path / "runs")
    return tmp_path


def described(to, file):
    """Read the metadata as a stranger would."""
    if to == "safetensors":
        with safe_open(file, "np") as opened:
            return opened.metadata()[KEY]
    if to == "onnx":
        session = onnxruntime.InferenceSession(file)
        return session.get_modelmeta().custom_metadata_map[KEY]
    extra = {"imgcls.json": ""}
    torch.export.load(file, extra_files=extra)
    return extra["imgcls.json"]


@pytest.mark.parametrize(
    ("to", "ending", "runner"),
    [("safetensors", "safetensors", "torch"), ("onnx", "onnx", "onnxruntime"), ("torch-export", "pt2", "torch")],
)
def test_a_run_is_exported_proved_and_described(run, to, ending, runner):
    ended = imgcls(run, "export", "runs/digits_lenet", "--to", to)
    assert (ended.returncode, ended.stderr) == (0, "")
    file = run / f"digits_lenet.{ending}"
    first, second, last = ended.stdout.splitlines()
    assert first.startswith("digits_lenet: lenet5, step-000000")
    assert first.endswith("ema.safetensors, images float32 (batch, 1, 32, 32) -> logits float32 (batch, 10)")
    assert second.startswith(f"loaded again and run by {runner} ")
    assert "on 16 images of the validation set: largest difference of a logit" in second
    assert second.endswith(", 0 answers changed")
    assert last == f"digits_lenet.{ending}: {file.stat().st_size:,} bytes"
    said = json.loads(described(to, file))
    assert said["classes"] == [str(digit) for digit in range(10)]
    assert tomllib.loads(said["recipe"])["train"]["epochs"] == 2
    assert said["weights"]["averaged"] is True
    assert said["preprocessing"]["eval_resize"] == 32
    assert sorted(path.name for path in run.glob(".digits*")) == []


def test_the_onnx_file_answers_as_the_run_was_evaluated(run):
    """By the description alone: decode, resize, normalise with Pillow and numpy, then run."""
    assert imgcls(run, "export", "runs/digits_lenet", "--to", "onnx", "--force").returncode == 0
    session = onnxruntime.InferenceSession(run / "digits_lenet.onnx")
    said = json.loads(session.get_modelmeta().custom_metadata_map[KEY])
    plan = Plan.from_json((run / "runs/digits_lenet/plan.json").read_text())
    index = Index.load(run / plan.data.validation.path, run)
    from PIL import Image

    how, wanted = said["preprocessing"], []
    for pixels in index.pixels:
        picture = Image.fromarray(pixels[..., 0]).resize((how["eval_resize"],) * 2, Image.Resampling.BILINEAR)
        wanted.append((np.asarray(picture, np.float32) / 255 - how["mean"][0]) / how["std"][0])
    images = np.stack(wanted)[:, None].astype(np.float32)
    (logits,) = session.run(["logits"], {"images": images})
    top1 = 100 * float((logits.argmax(1) == index.labels).mean())
    result = json.loads((run / "runs/digits_lenet/result.json").read_text())
    assert result["n"] == len(images)
    evaluations = [json.loads(line) for line in (run / "runs/digits_lenet/metrics.jsonl").read_text().splitlines()]
    best = max(each["top1"] for each in evaluations if "top1" in each)
    assert top1 == pytest.approx(best, abs=100 * 1.5 / len(images))  # one picture may be a grey level off


@pytest.mark.slow
def test_exported_weights_begin_another_run(run, tmp_path):
    out = tmp_path / "w.safetensors"
    assert imgcls(run, "export", "runs/digits_lenet", "--to", "safetensors", "--out", out).returncode == 0
    tensors = read(out)
    assert sum(tensor.numel() for tensor in tensors.values()) == 61_706
    words = ("--workers", 0, "--set", f'weights.source="{out}"', "--set", "train.epochs=2", "--plain")
    ended = imgcls(tmp_path, "launch", "digits_lenet", *words)
    assert ended.returncode == 0, ended
    assert "weights: 10 tensors" in ended.stdout


def test_a_checkpoint_and_a_fixed_batch_size(run):
    checkpoint = next((run / "runs/digits_lenet/checkpoints").glob("step-*"))
    ended = imgcls(run, "export", checkpoint, "--to", "torch-export", "--batch-size", 2, "--out", "two.pt2")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "images float32 (2, 1, 32, 32)" in ended.stdout
    assert torch.export.load(run / "two.pt2").module()(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


def test_what_is_there_is_overwritten_only_by_force(folder):
    (folder / "digits_lenet.safetensors").write_text("mine")
    words = ("export", "runs/digits_lenet", "--to", "safetensors")
    ended = imgcls(folder, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "is there already and was left as it is" in ended.stderr
    assert (folder / "digits_lenet.safetensors").read_text() == "mine"
    assert imgcls(folder, *words, "--force").returncode == 0
    assert len(read(folder / "digits_lenet.safetensors")) == 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("runs", "--to", "onnx"), "runs: is neither a run's folder with a checkpoint nor a checkpoint's folder"),
        (("runs/digits_lenet", "--to", "onnx", "--out", "a.pt2"), "give it a name that ends in .onnx"),
        (("runs/digits_lenet", "--to", "onnx", "--out", "no/a.onnx"), "there is no folder"),
        (("runs/digits_lenet", "--to", "onnx", "--batch-size", "0"), "neither a number from 1 on nor 'dynamic'"),
        (("runs/digits_lenet", "--to", "safetensors", "--batch-size", "8"), "safetensors holds weights alone"),
    ],
)
def test_what_cannot_be_is_said_in_one_message(run, words, said):
    before = sorted(run.iterdir())
    ended = imgcls(run, "export", *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert sorted(run.iterdir()) == before


def test_without_the_packages_one_message_says_what_to_install(run):
    code = (
        "import sys\n"
        "sys.modules['onnxscript'] = None\n"  # what Python itself takes for a module that cannot be imported
        "from imgcls.cli import main\n"
        "main()"
    )
    ended = imgcls(run, "export", "runs/digits_lenet", "--to", "onnx", "--out", "x.onnx", code=code)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "pip install 'imgcls[onnx]'" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_without_the_data_it_is_proved_on_pseudo_random_images(folder):
    # the plan names the index by its absolute path, in the folder that this one was copied from
    for plan in (folder / "runs/digits_lenet").rglob("plan.json"):
        found = json.loads(plan.read_text())
        found["data"]["validation"]["path"] = "/nowhere/validation.parquet"
        plan.write_text(json.dumps(found))
    ended = imgcls(folder, "export", "runs/digits_lenet", "--to", "torch-export")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "the run's validation images are not to be had: " in ended.stdout
    assert "/nowhere/validation.parquet" in ended.stdout
    assert "on 16 images of pseudo-random pixels" in ended.stdout


LIAR = """
import copy
import torch
from imgcls_zoo.lenet import build as honest

def build(options, num_classes, in_channels):
    model = honest(options, num_classes, in_channels)

    def for_inference():
        other = copy.deepcopy(model)
        del other.for_inference
        with torch.no_grad():
            list(other.parameters())[-1].add_(torch.arange(num_classes) * 0.5)
        return other

    model.for_inference = for_inference
    return model
"""


@pytest.mark.parametrize("to", ["onnx", "torch-export"])
def test_a_file_whose_answers_are_not_the_models_is_not_kept(folder, to):
    (folder / "imgcls_liar.py").write_text(LIAR)
    for plan in (folder / "runs/digits_lenet").rglob("plan.json"):
        found = json.loads(plan.read_text())
        assert found["model"]["build"] == "imgcls_zoo.lenet:build"
        found["model"]["build"] = "imgcls_liar:build"
        plan.write_text(json.dumps(found))
    before = {path for path in folder.iterdir() if path.suffix != ".pyc"}
    ended = imgcls(folder, "export", "runs/digits_lenet", "--to", to, env={"PYTHONPATH": str(folder)})
    assert ended.returncode == 1, ended
    assert ended.stderr == "the exported model's answers are not the model's: nothing was kept\n"
    assert "which the model's for_inference() returns" in ended.stdout
    assert {path for path in folder.iterdir() if path.name != "__pycache__"} == before


def test_a_damaged_checkpoint_is_named(folder):
    for file in (folder / "runs/digits_lenet").rglob("ema.safetensors"):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    ended = imgcls(folder, "export", "runs/digits_lenet", "--to", "safetensors")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "ema.safetensors: is damaged" in ended.stderr
