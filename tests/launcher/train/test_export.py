"""Exporting: the file gives what the model gives, in batches of any size, and says what it is."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import zipfile
from types import ModuleType

import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.plugins.zoo.filling import filled
from torch import nn

from imgcls.component import reference_to
from imgcls.errors import UserError
from imgcls.plan import Format, Reference
from imgcls.train import build
from imgcls.train.description import describe, preprocessing, summary_of
from imgcls.train.export import SUFFIX, deployed, description_in, load_again, write
from imgcls.train.proof import Proof, compare, images_for
from imgcls.train.served import Served
from imgcls_zoo.catalog import MODELS

CPU = torch.device("cpu")
RUNNABLE = ("onnx", "torch-export")
CHANGED = {"vit_ti_16": {"image_size": 64}}  # of the options, to be small


def served(plan, tmp_path):
    """A model with statistics and scales as after training, and its file of weights."""
    model = build.model(plan, CPU).eval()
    state = {
        name: torch.from_numpy(filled(name, tuple(tensor.shape))) if tensor.ndim else tensor
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(state)
    file = tmp_path / "runs" / "tiny" / "checkpoints" / "step-00000007" / "model.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, file)
    return Served(model, plan, file)


def of_zoo(make_plan, name):
    component = next(component for component in MODELS if component.name == name)
    options = dataclasses.replace(component.defaults, **CHANGED.get(name, {}))
    where = reference_to(type(options))
    model = Reference(name, component.build, where, dataclasses.asdict(options), "imgcls")
    return make_plan(model=model, format=Format(64, 3, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), 72, "bicubic"))


def of_module(make_plan, monkeypatch, make):
    """A plan of a model that ``make()`` returns."""
    module = ModuleType("imgcls_test_exported")
    module.build = lambda options, num_classes, in_channels: make()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return make_plan(
        model=Reference("odd", f"{module.__name__}:build", "imgcls.component:NoOptions", {}, "acme"),
    )


def exported(found, to, tmp_path, batch_size=None):
    """Export as the command does; return the file, its description and the proof."""
    other = None if to == "safetensors" else deployed(found.model)
    description = describe(found, other is not None, batch_size)
    file = tmp_path / f"exported{SUFFIX[to]}"
    write(other or found.model, to, file, found.plan, description, batch_size)
    images = images_for(found.plan)
    assert images.real
    return file, description, compare(found.model, load_again(to, file, found.plan), images.pixels, batch_size)


@pytest.mark.slow
@pytest.mark.parametrize("to", RUNNABLE)
@pytest.mark.parametrize("name", ["resnet18", "repvgg_a0", "vit_ti_16", "mobilenet_v3_small"])
def test_models_of_the_zoo_give_the_same_in_batches_of_any_size(make_plan, tmp_path, name, to):
    found = served(of_zoo(make_plan, name), tmp_path)
    file, description, proof = exported(found, to, tmp_path)
    assert proof.holds
    assert proof.images == 16
    assert proof.spread > 0.05
    assert proof.largest < 1e-4 * proof.spread
    assert description_in(to, file) == description
    assert description["model"]["deployed"] is (name == "repvgg_a0")
    run, images = load_again(to, file, found.plan), torch.rand(5, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(run(images), found.model(images), rtol=1e-4, atol=1e-4)
    if name == "repvgg_a0" and to == "torch-export":
        weights = torch.export.load(file).state_dict
        assert sum(w.numel() for w in weights.values()) < sum(w.numel() for w in found.model.parameters())
        assert not any("branch" in key or "running_var" in key for key in weights)


@pytest.mark.parametrize("to", RUNNABLE)
def test_a_fixed_batch_size_is_the_only_one_and_the_last_batch_is_filled_up(make_plan, tmp_path, to):
    found = served(make_plan(), tmp_path)
    file, description, proof = exported(found, to, tmp_path, batch_size=3)  # of which 16 is no multiple
    assert proof.holds
    assert proof.images == 16
    assert description["input"]["shape"] == [3, 1, 16, 16]
    run = load_again(to, file, found.plan)
    with pytest.raises(Exception, match="Got: 2|Guard failed"):
        run(torch.zeros(2, 1, 16, 16))


def test_an_onnx_file_names_its_sides_and_no_folder_of_this_machine(make_plan, tmp_path):
    file, _, _ = exported(served(make_plan(), tmp_path), "onnx", tmp_path)
    model = onnx.load(file)
    onnx.checker.check_model(model)
    for value, name, sides in (
        (model.graph.input[0], "images", ["batch", 1, 16, 16]),
        (model.graph.output[0], "logits", ["batch", 3]),
    ):
        assert value.name == name
        assert [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim] == sides
    assert b"site-packages" not in file.read_bytes()
    file, _, _ = exported(served(make_plan(), tmp_path), "torch-export", tmp_path)
    with zipfile.ZipFile(file) as archive:
        assert not any(b"site-packages" in archive.read(name) for name in archive.namelist())


def test_safetensors_are_the_weights_bit_for_bit_with_a_mode_as_other_files(make_plan, tmp_path):
    found = served(make_plan(), tmp_path)
    file, description, proof = exported(found, "safetensors", tmp_path)
    assert proof.changed == 0
    assert proof.largest < 1e-5  # sums in batches of another size end otherwise
    for name, tensor in load_file(file).items():
        assert torch.equal(tensor, found.model.state_dict()[name])
    assert description_in("safetensors", file) == description
    (tmp_path / "other").touch()
    assert file.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_the_description_says_where_the_weights_are_from_and_how_images_are_made(make_plan, tmp_path):
    found = served(make_plan(), tmp_path)
    (tmp_path / "runs/tiny/recipe.toml").write_text('about = "é"\n', encoding="utf-8")
    said = describe(found, False, None)
    assert json.loads(json.dumps(said)) == said
    assert said["classes"] == ["low", "mid", "high"]
    assert said["recipe"] == 'about = "é"\n'
    sha256 = hashlib.sha256(found.file.read_bytes()).hexdigest()
    assert said["weights"] == {"file": "step-00000007/model.safetensors", "sha256": sha256, "averaged": False}
    form = dataclasses.asdict(found.plan.format)
    del form["train_size"]  # of training alone
    values = {key: said["preprocessing"][key] for key in form}
    assert values == {**form, "mean": [0.5], "std": [0.25]}
    assert "bicubic" in " ".join(preprocessing(Format(8, 3, (0,) * 3, (1,) * 3, 9, "bicubic"))["steps"])
    assert summary_of(found.plan, 4) == "images float32 (4, 1, 16, 16) -> logits float32 (4, 3)"


def test_weights_that_are_not_those_of_the_manifest_are_refused(make_plan, tmp_path):
    found = served(make_plan(), tmp_path)
    manifest = found.file.with_name("manifest.json")
    manifest.write_text(json.dumps({"sha256": {"model.safetensors": "0" * 64}}))
    with pytest.raises(UserError, match=r"model\.safetensors: is damaged"):
        describe(found, False, None)
    manifest.write_text("{}")
    with pytest.raises(UserError, match=r"manifest\.json: cannot be read"):
        describe(found, False, None)


def test_without_the_data_the_images_are_pseudo_random_and_the_same_each_time(make_plan, tmp_path):
    plan = make_plan()
    real = images_for(plan)
    assert (real.real, real.note, len(real.pixels)) == (True, "", 16)
    (tmp_path / "validation-19.parquet").unlink()
    first, second = images_for(plan), images_for(plan)
    assert not first.real
    assert "validation-19.parquet" in first.note
    assert torch.equal(first.pixels, second.pixels)
    assert first.pixels.shape == (16, 1, 16, 16)
    assert first.pixels.min() >= -2.0  # (0 - 0.5) / 0.25
    assert first.pixels.max() <= 2.0


@pytest.mark.parametrize(
    ("largest", "changed", "holds"),
    [(0.0099, 0, True), (0.0101, 0, False), (0.0, 1, False), (float("nan"), 0, False)],
)
def test_a_thousandth_of_the_spread_is_allowed_and_no_other_answer(largest, changed, holds):
    assert Proof(16, largest, 10.0, changed).holds is holds


def test_logits_that_are_no_numbers_prove_nothing():
    with pytest.raises(UserError, match="not finite"):
        compare(nn.Flatten(), nn.Flatten(), torch.full((2, 1, 2, 2), torch.nan), None)


class Branching(nn.Module):
    def forward(self, images):
        return images.mean((1, 2)) if images.sum() > 0 else images.sum((1, 2))


def test_a_model_that_cannot_be_followed_is_named_with_what_to_do(make_plan, monkeypatch, tmp_path):
    plan = of_module(make_plan, monkeypatch, Branching)
    with pytest.raises(UserError, match=r"model odd: torch\.export cannot follow .*--to safetensors"):
        write(Branching(), "onnx", tmp_path / "x.onnx", plan, {}, None)


def test_a_model_that_fails_in_a_batch_of_one_is_told_from_one_that_is_wrong():
    images = torch.rand(4, 1, 8, 8)
    plain = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 3))
    assert compare(plain, plain, images, None).holds
    with pytest.raises(UserError, match=r"on 1 images at a time, gives logits of shape \(3,\), not \(1, 3\)"):
        compare(nn.Sequential(plain), lambda some: plain(some).squeeze(), images, None)
    with pytest.raises(UserError, match="fails: "):
        compare(plain, nn.Linear(3, 3), images, None)
