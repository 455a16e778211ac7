"""Runs on one GPU: photographs decoded by ``mixed``, reduced precisions, compiled models, exact continuation."""

import json

import numpy as np
import pytest
from PIL import Image
from tests.faults.processes import assert_same_end, imgcls, result

RECIPE = """
seed = 3
model = "resnet18"
data = {{ name = "image_folder", root = "{root}" }}
optimizer = {{ name = "sgd", lr = 0.05, weight_decay = 1e-4 }}
schedule = {{ name = "cosine", warmup_epochs = 0.5 }}
train = {{ epochs = 6, batch_size = 16 }}

[[augment]]
name = "random_resized_crop"
scale = [0.5, 1.0]

[[augment]]
name = "horizontal_flip"
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Two classes of noisy JPEGs that differ in colour: easy for any precision that works."""
    folder = tmp_path_factory.mktemp("gpu")
    generator = np.random.default_rng(0)
    for number, (name, colour) in enumerate((("red", 0), ("green", 1))):
        (folder / "images" / name).mkdir(parents=True)
        for image in range(60):
            pixels = generator.integers(0, 160, (240 + number, 320, 3))
            pixels[..., colour] += 80
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / name / f"{image}.jpg", quality=90)
    (folder / "recipe.toml").write_text(RECIPE.format(root=folder / "images"))
    return folder


def launch(folder, name, *values, workers=1):
    sets = [word for value in values for word in ("--set", value)]
    return imgcls("launch", "recipe.toml", "--workers", workers, "--name", name, *sets, cwd=folder, limit=580)


@pytest.mark.parametrize("precision", ["bf16", "fp16", "float32"])
@pytest.mark.parametrize("decode", ["gpu", "cpu"])
def test_every_precision_learns_with_either_decoder(folder, precision, decode):
    name = f"{precision}-{decode}"
    ended = launch(folder, name, f'train.precision="{precision}"', f'loading.decode="{decode}"')
    assert ended.code == 0, ended
    assert "cuda" in ended.out
    assert result(folder / "runs" / name)["top1"] >= 90


def test_a_compiled_model_in_channels_last_learns(folder):
    ended = launch(folder, "compiled", "train.compile=true", "train.channels_last=true", workers=0)
    assert ended.code == 0, ended
    assert result(folder / "runs/compiled")["top1"] >= 90


def test_two_runs_of_a_recipe_end_bit_for_bit_alike(folder):
    for name in ("once", "again"):
        assert launch(folder, name, workers=0).code == 0
    assert_same_end(folder / "runs/once", folder / "runs/again")


def test_a_killed_run_continues_bit_for_bit(folder):
    kills = ["--kill-at", 9, "--kill-at", 25, "--what", "all"]
    ended = imgcls("verify-resume", "recipe.toml", "--workers", 0, *kills, cwd=folder, limit=580)
    assert ended.code == 0, ended
    assert "the same, bit for bit" in ended.out


def test_pictures_of_the_gpus_decoder_are_near_pillows(folder):
    ended = imgcls("parity", "recipe.toml", "--set", 'loading.decode="gpu"', cwd=folder)
    print(ended.out)  # for the README: no bounds have been stated yet
    assert "Traceback" not in ended.err, ended


def test_an_evaluation_of_the_run_gives_its_own_score(folder):
    assert launch(folder, "scored", workers=0).code == 0
    ended = imgcls("evaluate", "runs/scored", "--json", "score.json", cwd=folder)
    assert ended.code == 0, ended
    found = json.loads((folder / "score.json").read_text())
    assert found["n"] == result(folder / "runs/scored")["n"]
