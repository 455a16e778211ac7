"""What there is: a component a file, listed without torch, with a line of help for each option."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import imgcls_optim
from imgcls.component import load

LISTS = {
    "optimizers": imgcls_optim.imgcls_optimizers,
    "schedules": imgcls_optim.imgcls_schedules,
    "losses": imgcls_optim.imgcls_losses,
}


def run(*words):
    ended = subprocess.run([sys.executable, "-m", "imgcls", *words], capture_output=True, text=True, check=True)
    return ended.stdout


def test_there_is_what_a_strong_recipe_needs():
    names = {kind: [component.name for component in listed()] for kind, listed in LISTS.items()}
    assert names == {
        "optimizers": ["adamw", "adan", "lamb", "lars", "lion", "muon", "rmsprop", "rmsprop_tf", "sam", "sgd"],
        "schedules": [
            "constant", "cosine", "exponential", "linear", "one_cycle", "plateau", "polynomial", "step",
        ],
        "losses": ["binary_cross_entropy", "cross_entropy", "focal"],
    }  # fmt: skip


@pytest.mark.parametrize("kind", LISTS)
def test_each_file_without_an_underscore_is_the_component_of_its_name(kind):
    folder = Path(imgcls_optim.__file__).parent / kind
    files = {module.name for module in pkgutil.iter_modules([folder]) if not module.name.startswith("_")}
    assert {component.name for component in LISTS[kind]()} == files
    for component in LISTS[kind]():
        assert component.build == f"imgcls_optim.{kind}.{component.name}:build"
        assert component.options.__module__ == f"imgcls_optim.{kind}.{component.name}"
        assert callable(load(component.build))


@pytest.mark.parametrize("kind", LISTS)
def test_listing_imports_neither_torch_nor_an_optimizer_library(kind):
    code = (
        f"import sys, imgcls_optim; list(imgcls_optim.imgcls_{kind}());"
        "print([m for m in ('torch', 'numpy', 'pytorch_optimizer', 'pydantic') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize("kind", LISTS)
def test_every_option_has_a_line_of_help_that_fits_a_screen(kind):
    for component in json.loads(run(kind, "--json")):
        assert 10 < len(component["summary"]) <= 70
        for option in component["options"]:
            assert 4 <= len(option["help"]) <= 110, option
            assert not option["help"].endswith("."), option


def test_an_optimizer_is_shown_with_ranges_and_defaults():
    shown = run("optimizers", "show", "lamb")
    assert "lr  (float > 0, required) learning rate" in shown
    assert "lr_per  (int > 0, optional) batch size that lr is for" in shown
    assert "betas = [0.9, 0.999]  ([float >= 0 < 1, float >= 0 < 1])" in shown
    assert json.loads(run("losses", "show", "focal", "--json"))["options"][-1]["default"] == 2.0
