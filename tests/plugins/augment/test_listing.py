"""What `imgcls augmentations` says of each: a summary with its paper, help for every option, defaults that work."""

import json
import re

import pytest

from imgcls import Augmentation, Crop, Mix
from imgcls.component import load
from imgcls.plugins import installed

PAPER = re.compile(r"arXiv:\d{4}\.\d{4,5}\b|doi:10\.\S+")
WITHOUT_A_PAPER = {"color_jitter", "grayscale", "horizontal_flip", "random_rotation", "solarize"}
EIGHT = {
    "auto_augment", "rand_augment", "cutout", "random_erasing", "hide_and_seek", "grid_mask", "mixup", "cutmix",
}  # fmt: skip
OURS = {name: found for name, found in installed().components("augmentations").items() if ":" not in name}


def test_the_eight_classic_augmentations_are_there():
    assert OURS.keys() >= EIGHT


def test_the_json_says_what_each_is_from_which_paper_and_what_every_option_means(run_imgcls):
    ended = run_imgcls("augmentations", "--json")
    assert ended.returncode == 0, ended.stderr
    listed = {entry["name"]: entry for entry in json.loads(ended.stdout)}
    assert listed.keys() >= OURS.keys()
    assert {name for name in OURS if not PAPER.search(listed[name]["summary"])} == WITHOUT_A_PAPER
    for name in OURS:
        assert len(listed[name]["summary"]) < 100
        for option in listed[name]["options"]:
            assert option["help"], f"{name}.{option['name']}"
            assert "required" not in option["type"], f"{name}.{option['name']}"


@pytest.mark.parametrize("name", OURS)
def test_each_can_be_built_from_its_defaults(name):
    component = OURS[name].component
    built = load(component.build)(component.options() if component.defaults is None else component.defaults)
    assert isinstance(built, Crop | Augmentation | Mix)


def test_a_recipe_that_says_no_more_than_their_names_is_a_good_one(run_imgcls, write_recipe):
    named = ", ".join(f'{{ name = "{name}" }}' for name in OURS)
    recipe = write_recipe(
        f"""
        model = "lenet5"
        data = "digits"
        optimizer = {{ name = "sgd", lr = 0.1 }}
        augment = [{named}]
        train = {{ epochs = 1, batch_size = 64 }}
        """
    )
    ended = run_imgcls("recipe", "show", recipe)
    assert ended.returncode == 0, ended.stderr
    assert all(f'"{name}"' in ended.stdout for name in OURS)
