"""Every shipped recipe is valid without its data, says what to expect, and its model learns from its batches."""

import re
import sys
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from imgcls import Callback
from imgcls.data import index as indexing
from imgcls.data.source import Source
from imgcls.plan import Data, IndexFile, Reference, make, resolve_format
from imgcls.plugins import Plugins
from imgcls.recipe import Recipe, read
from imgcls.run_folder import RunFolder
from imgcls.train.loop import Run, train
from imgcls.train.world import World

_FOLDER = Path(__file__).parents[2] / "recipes"
_NAMES = sorted(path.stem for path in _FOLDER.glob("*.toml"))
# those whose two updates and their batches take less than a few seconds
_QUICK = {"digits_lenet", "fashion_mnist_resnet20", "cifar10_resnet18", "imagenet_resnet50_a3", "imagenet_alexnet"}
# a folder of the user's own; searches
_WITHOUT_EXPECTATION = {"folder_resnet18", "digits_tune", "fashion_mnist_tune"}
_RUN_HERE = {"digits_lenet", "digits_distill", "fashion_mnist_lenet", "fashion_mnist_resnet20"}
_CLASSES = {"imagenet": 1000, "cifar100": 100}
_MODULE = "imgcls_test_watch"  # where a plan finds the callback below


def _read(name: str, *overrides: str) -> Recipe:
    # whatever other plugins this environment has
    plugins = Plugins(distribution("imgcls").entry_points.select(group="imgcls"))
    return read(_FOLDER / f"{name}.toml", plugins, overrides)


class _EnoughError(Exception):
    """Two updates have been made."""


class _Watch(Callback):
    """Ends a run after two updates, so that no checkpoint is written, if they have moved the weights."""

    def run_began(self, run: Run) -> None:
        self.before = [p.detach().clone() for p in run.model.parameters()]

    def step_ended(self, run: Run) -> None:
        if run.state.step < 2:  # the first may have a rate of 0, at the beginning of a warm-up
            return
        after = list(run.model.parameters())
        assert all(bool(torch.isfinite(p).all()) for p in after)
        moved = [not torch.equal(old, new) for old, new in zip(self.before, after, strict=True)]
        assert moved[-1], "the classifier has not learnt"
        assert sum(moved) > len(moved) / 2, f"{sum(moved)} of {len(moved)} tensors have moved"
        raise _EnoughError


@pytest.fixture(autouse=True)
def importable_watch(monkeypatch):
    module = ModuleType(_MODULE)
    module.build = lambda _options: _Watch()
    monkeypatch.setitem(sys.modules, _MODULE, module)


def _index(folder: Path, size: int, channels: int, classes: tuple[str, ...]) -> IndexFile:
    """Write an index of six pictures of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, size, size, channels), dtype=np.uint8)
    made = indexing.build(Source.from_pixels(pixels, np.arange(6), list(classes)), folder)
    path = folder / "six.parquet"
    made.save(path)
    return IndexFile(str(path), str(folder), made.digest, 6)


@pytest.mark.parametrize("name", _NAMES)
def test_a_recipe_is_valid_without_its_data_and_says_what_it_is(name):
    recipe = _read(name)
    assert resolve_format(recipe).size >= 28
    assert len(recipe.about) > 20
    assert recipe.seed == 1


@pytest.mark.parametrize("name", sorted(set(_NAMES) - _WITHOUT_EXPECTATION))
def test_a_recipe_says_what_to_expect_and_who_measured_it(name):
    expect = _read(name).expect
    assert expect is not None
    if name in _RUN_HERE:
        assert "this project" in expect.source
        return
    assert expect.source.endswith("; not run by this project yet"), "say so where a figure is another's"
    assert re.search(r"arXiv:\d{4}\.\d{5}|torchvision|ffcv", expect.source), "say whose figure it is"


@pytest.mark.parametrize("name", [name for name in _NAMES if name.startswith("imagenet_")])
def test_what_is_expected_is_near_to_the_published_figure_of_the_model(name):
    recipe = _read(name)
    published = float(recipe.model.found.component.facts["top1"])
    assert recipe.expect is not None
    # the same model by other recipes: ffcv's short ones lose 2.3 points, the A procedures win 4.3
    assert -2.5 < recipe.expect.top1 - published < 4.5


def test_every_recipe_is_in_the_table_of_the_readme():
    text = (_FOLDER / "README.md").read_text()
    known = set(re.findall(r"`(\w+)`", text)) | {"imagenet_resnet50_a2", "imagenet_resnet50_a3"}
    assert set(_NAMES) <= known


def test_every_base_is_extended_and_is_no_recipe_by_itself():
    used = {
        line for path in _FOLDER.rglob("*.toml") for line in path.read_text().splitlines() if "extends" in line
    }
    bases = sorted(path.name for path in (_FOLDER / "bases").glob("*.toml"))
    assert bases
    for base in bases:
        assert any(line.endswith(f'{base}"') for line in used), base
        assert "[expect]" not in (_FOLDER / "bases" / base).read_text()


@pytest.mark.parametrize("name", [n if n in _QUICK else pytest.param(n, marks=pytest.mark.slow) for n in _NAMES])
def test_a_recipes_model_learns_from_two_of_its_own_augmented_batches(name, tmp_path):
    # two samples: mixing needs pairs
    recipe = _read(name, "train.batch_size=2", "workers.count=0", "train.last_batch='drop'")
    form = resolve_format(recipe)
    classes = tuple(f"class {i}" for i in range(_CLASSES.get(recipe.data.found.name, 10)))
    six = _index(tmp_path, min(form.size, 64), form.channels, classes)
    plan = make(recipe, Data(Reference.of(recipe.data), classes, six, six, "fail"), name)
    watch = Reference("watch", f"{_MODULE}:build", "imgcls.component:NoOptions", {}, "imgcls 0.1.0")
    folder = RunFolder(tmp_path / "runs" / name)
    folder.create()
    with pytest.raises(_EnoughError):
        train(replace(plan, callback=(watch,)), folder, World())
