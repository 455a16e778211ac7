"""A tiny data set in memory and a plan over the built-in components, made by hand."""

import dataclasses
import sys
from functools import partial
from types import ModuleType

import numpy as np
import pytest
from torch import nn

from imgcls.data import index as indexing
from imgcls.data.source import Source
from imgcls.plan import Data, Format, IndexFile, Plan, Reference
from imgcls.recipe.schema import Checkpointing, Loading, Sampling, Train, Workers
from imgcls.run_folder import RunFolder

_MODULE = "imgcls_test_model"  # where a plan finds the model below


def tiny_model(options, num_classes, in_channels):
    """Batch norm and dropout, as in the models that matter, and 2,000 weights: tests write many checkpoints."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d((4, 1)),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(64, num_classes),
    )


@pytest.fixture(autouse=True)
def importable_model(monkeypatch):
    module = ModuleType(_MODULE)
    module.build = tiny_model
    monkeypatch.setitem(sys.modules, _MODULE, module)


def reference(name, build, options_type, **options):
    return Reference(name, build, options_type, options, "imgcls 0.1.0")


def pixels(n, seed):
    """Return n grey 16x16 pictures of three classes that can be told apart, but not easily."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = generator.integers(0, 200, (n, 16, 16, 1))
    for label in range(3):
        images[labels == label, 5 * label : 5 * label + 5] += 55
    return Source.from_pixels(images.astype(np.uint8), labels, ["low", "mid", "high"])


def planned(folder, n=26, n_validation=19, **changes):
    """A plan whose index files lie in a folder."""
    files = {}
    for split, count, seed in (("train", n, 0), ("validation", n_validation, 1)):
        made = indexing.build(pixels(count, seed), folder)
        path = folder / f"{split}-{count}.parquet"
        made.save(path)
        files[split] = IndexFile(str(path), str(folder), made.digest, count)
    data = Data(
        reference("digits", "imgcls_datasets.digits:build", "imgcls_datasets.options:Digits"),
        ("low", "mid", "high"),
        files["train"],
        files["validation"],
        "fail",
    )
    parts = {
        "sampling": {},
        "train": {"epochs": 3, "batch_size": 8, "eval_batch_size": 8, "log_every": 1},
        "checkpoint": {},
        "loading": {"threads": 1},
        "workers": {"count": 0, "cpus": 1.0},
    }
    for part, values in parts.items():
        values.update(changes.pop(part, {}))
    plan = Plan(
        name="tiny",
        seed=11,
        data=data,
        format=Format(16, 1, (0.5,), (0.25,), 16, "bilinear"),
        augment=(
            reference(
                "random_crop", "imgcls_augment.random_crop:build", "imgcls_augment.options:RandomCrop",
                padding=2, fill=0,
            ),
            reference(
                "horizontal_flip",
                "imgcls_augment.horizontal_flip:build",
                "imgcls_augment.options:HorizontalFlip",
                probability=0.5,
            ),
        ),
        model=reference("tiny", f"{_MODULE}:build", "imgcls.component:NoOptions"),
        optimizer=reference(
            "sgd", "imgcls_optim.optimizers.sgd:build", "imgcls_optim.optimizers.sgd:SGD",
            lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-4, decay_norm_and_bias=False,
        ),
        schedule=reference(
            "cosine", "imgcls_optim.schedules.cosine:build", "imgcls_optim.schedules.cosine:Cosine",
            warmup_epochs=0.5, warmup_start=0.0, final=0.0,
        ),
        loss=reference(
            "cross_entropy", "imgcls_optim.losses.cross_entropy:build", "imgcls_optim.losses.cross_entropy:CrossEntropy",
            label_smoothing=0.1,
        ),
        callback=(),
        weights=parts.get("weights"),
        track=(),
        train=Train(**parts["train"]),
        sampling=Sampling(**parts["sampling"]),
        checkpoint=Checkpointing(**parts["checkpoint"]),
        loading=Loading(**parts["loading"]),
        workers=Workers(**parts["workers"]),
        versions={},
    )  # fmt: skip
    return dataclasses.replace(plan, **changes)


@pytest.fixture
def make_plan(tmp_path):
    """Return a function from changed fields to a plan whose index files lie below tmp_path."""
    return partial(planned, tmp_path)


@pytest.fixture
def make_folder(tmp_path):
    """Return a function from a name to a run's folder."""

    def make(name):
        folder = RunFolder(tmp_path / "runs" / name)
        folder.create()
        return folder

    return make
