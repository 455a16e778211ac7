"""A recipe that names these augmentations trains; one that asks for colour where there is none is told so."""

import json

RECIPE = """
model = "lenet5"
data = "digits"

[optimizer]
name = "sgd"
lr = 0.05

{augment}

[train]
epochs = 1
batch_size = 64
"""


def test_a_recipe_with_several_of_them_trains(run_imgcls, write_recipe, tmp_path):
    names = ["rand_augment", "auto_augment", "trivial_augment", "aug_mix", "gaussian_blur", "solarize"]
    augment = "".join(f'[[augment]]\nname = "{name}"\n' for name in [*names, "random_rotation"])
    augment += '[[augment]]\nname = "color_jitter"\nsaturation = 0.0\n'
    made = run_imgcls("launch", write_recipe(RECIPE.format(augment=augment)), "--workers", 0)
    assert made.returncode == 0, made.stderr
    result = json.loads((tmp_path / "runs/x/result.json").read_text())
    assert result["epochs"] == 1
    assert result["n"] > 100


def test_colour_is_refused_where_images_have_none(run_imgcls, write_recipe):
    augment = '[[augment]]\nname = "grayscale"\n'
    made = run_imgcls("launch", write_recipe(RECIPE.format(augment=augment)), "--workers", 0)
    assert made.returncode == 2
    assert "augment grayscale: the images have one channel" in made.stderr
    assert "Traceback" not in made.stderr
