"""``imgcls parity``: the comparison, its exit code, and what it says of a model's answers."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from imgcls.cli.preparation import planned
from imgcls.data.pipeline import Machine
from imgcls.data.reference import Difference
from imgcls.errors import UserError
from imgcls.train import build
from imgcls.train.parity import Answers, Parity, compare

RECIPE = """\
model = {{ name = "lenet5", pooling = "max" }}
optimizer = {{ name = "sgd", lr = 0.1 }}

[data]
name = "image_folder"
root = "{root}"
validation = 0.5

[input]
channels = 3
eval_resize = 36

[train]
epochs = 2
batch_size = 8
"""


@pytest.fixture
def recipe(tmp_path, write_recipe):
    """A recipe over 24 photographs of noise in two classes."""
    random = np.random.default_rng(0)
    for number in range(24):
        folder = tmp_path / "images" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(random.integers(0, 256, (40, 50, 3)).astype(np.uint8))
        small.resize((60 + 3 * number, 90), Image.BICUBIC).save(folder / f"{number}.jpg", quality=92)
    return write_recipe(RECIPE.format(root=tmp_path / "images"))


def values(text):
    """Return the table as name -> value."""
    rows = [line for line in text.splitlines() if len(line) > 26 and line[25] == " "]
    return {row[:26].strip(): row[26:] for row in rows}


def test_a_recipe_within_bounds_ends_with_0_and_one_beyond_with_1(run_imgcls, recipe):
    ended = run_imgcls("parity", recipe)
    assert ended.returncode == 0, ended
    found = values(ended.stdout)
    assert found["images"] == "12 of 12"
    assert float(found["largest difference"]) == 1
    assert 0 < float(found["mean difference"]) < 0.05
    assert found["worst image"].endswith(".jpg")
    assert "decoded on the CPU by DALI 2." in ended.stdout
    assert "reference: Pillow " in ended.stdout
    assert "bilinear" in ended.stdout.splitlines()[0]
    assert ended.stdout.splitlines()[-1].startswith("within what imgcls states")
    assert ended.stderr == ""
    ended = run_imgcls("parity", recipe, "--set", "input.interpolation=lanczos", "--images", 5)
    assert ended.returncode == 0, ended
    assert values(ended.stdout)["images"] == "5 of 12"


def test_a_recipe_beyond_the_bounds_ends_with_1(run_imgcls, recipe, tmp_path):
    # grey from colours that are no JPEG's: DALI cuts off where Pillow rounds
    for path in (tmp_path / "images").rglob("*.jpg"):
        with Image.open(path) as image:
            image.save(path.with_suffix(".png"))
        path.unlink()
    ended = run_imgcls("parity", recipe, "--set", "input.channels=1")
    assert ended.returncode == 1, ended
    assert ended.stdout.splitlines()[-1].startswith("NOT within what imgcls states")


def test_weights_of_a_file_and_of_a_run_say_how_many_answers_change(run_imgcls, recipe, tmp_path):
    plan = planned(str(recipe), (), tmp_path / "runs")
    save_file(build.model(plan, torch.device("cpu")).state_dict(), tmp_path / "model.safetensors")
    found = compare(plan, 256, tmp_path / "model.safetensors")
    assert found.answers.images == 12
    assert found.answers.changed == 0
    assert 0 < found.answers.largest < 0.1
    assert run_imgcls("launch", recipe, "--workers", 0).returncode == 0
    ended = run_imgcls("parity", recipe, "--weights", tmp_path / "runs" / "x")
    assert ended.returncode == 0, ended
    assert values(ended.stdout)["top-1 changed"].endswith("of 12 (0.00%)")
    newest = tmp_path / "runs" / "x" / json.loads((tmp_path / "runs/x/result.json").read_text())["checkpoint"]
    assert values(ended.stdout)["weights"] == str(newest / "model.safetensors")


def test_weights_that_cannot_be_used_are_named(recipe, tmp_path):
    plan = planned(str(recipe), (), tmp_path / "runs")
    for path, said in ((tmp_path / "gone", "there is no such file"), (tmp_path, "no run's folder with a valid")):
        with pytest.raises(UserError, match=said):
            compare(plan, 4, path)
    pickled = tmp_path / "model.pt"
    torch.save({"a": torch.zeros(1)}, pickled)
    with pytest.raises(UserError, match=r"model\.pt: are not those of lenet5[^!]*missing: c1.weight 6x3x5x5"):
        compare(plan, 4, pickled)
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(UserError, match=r"text\.pt: is no file of safetensors or of PyTorch"):
        compare(plan, 4, tmp_path / "text.pt")
    state = build.model(plan, torch.device("cpu")).state_dict()
    first = next(iter(state))
    save_file({name: tensor for name, tensor in state.items() if name != first}, tmp_path / "fewer.safetensors")
    with pytest.raises(UserError, match=f"missing: {first} "):
        compare(plan, 4, tmp_path / "fewer.safetensors")
    save_file({**state, first: torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=f"{first} is 3 in the file, "):
        compare(plan, 4, tmp_path / "other.safetensors")


def test_an_image_damaged_since_is_named_or_left_out_as_the_recipe_says(recipe, tmp_path):
    plan = planned(str(recipe), (), tmp_path / "runs")
    victim = build.inputs(plan).evaluation.index.path(3)
    with open(victim, "r+b") as file:
        file.truncate(2500)
    with pytest.raises(UserError, match="is damaged or cut off"):
        compare(plan, 256, None)
    skipping = dataclasses.replace(plan, data=dataclasses.replace(plan.data, on_bad_image="skip"))
    found = compare(skipping, 256, None)
    assert found.left_out == {victim}
    assert found.pictures.images == 11
    assert found.pictures.largest == 1


def test_images_are_spread_evenly_over_the_split(recipe, tmp_path):
    plan = planned(str(recipe), (), tmp_path / "runs")
    whole = build.inputs(plan).evaluation.index
    some = compare(plan, 3, None).index
    assert [some.path(i) for i in range(3)] == [whole.path(i) for i in (0, 5, 11)]


def test_a_changed_answer_is_counted_and_the_largest_difference_kept():
    answers = Answers()
    answers.add(torch.tensor([[1.0, 0.9], [0.0, 3.0]]), torch.tensor([[1.0, 1.1], [0.0, 3.5]]))
    answers.add(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.1]]))
    assert (answers.images, answers.changed, answers.largest) == (3, 1, 0.5)


@pytest.mark.parametrize(
    ("largest", "mean", "device", "verdict"),
    [(2, 0.149, None, True), (2.001, 0.1, None, False), (2, 0.15, None, False), (9, 9, 0, None)],
)
def test_bounds_are_two_levels_and_a_mean_of_0_15_on_the_cpu_alone(largest, mean, device, verdict):
    pictures = Difference(images=1, values=1000, pixels=1000, total=1000 * mean, largest=largest)
    found = Parity(None, Machine(device, 1, 2, "auto"), pictures)
    assert found.within_bounds is verdict


def test_a_storage_that_cannot_be_written_is_said(recipe, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        planned(str(recipe), (), tmp_path / "file")
