"""``imgcls preview``: the pictures are those that train, and no file is lost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from imgcls.cli.preparation import planned
from imgcls.data.loader import training_batches
from imgcls.errors import UserError
from imgcls.report.contact_sheet import Row, draw
from imgcls.train import build, preview
from imgcls.train.preview import samples
from imgcls.train.world import World

RECIPE = """\
seed = 3
model = { name = "lenet5" }
data = { name = "digits", validation = 0.2 }
optimizer = { name = "sgd", lr = 0.1 }

[train]
epochs = 3
batch_size = 64
"""
SHIFT = '\n[[augment]]\nname = "random_crop"\npadding = 3\n'
MIXUP = '\n[[augment]]\nname = "mixup"\nprobability = 1.0\nalpha = 1.0\n'


@pytest.fixture
def plan(tmp_path, write_recipe):
    def make(text):
        return planned(str(write_recipe(text)), (), tmp_path / "runs")

    return make


def trained(plan, epoch):
    """Return the first global batch of an epoch, as the loop gets it, in grey levels."""
    inputs = build.inputs(plan)
    machine = build.machine(plan.loading, World().device, 1)
    start = epoch * inputs.order.steps_per_epoch
    batch = next(training_batches(inputs.training, inputs.order, start, 0, 1, machine))
    images, targets = inputs.mixing(batch)
    mean, std = (torch.tensor(each).reshape(1, -1, 1, 1) for each in (plan.format.mean, plan.format.std))
    return batch.place.samples, (255 * (images * std + mean)).round().byte().numpy(), targets


@pytest.mark.parametrize("augment", [SHIFT, SHIFT + MIXUP])
def test_what_is_shown_is_what_is_trained_on_in_that_epoch(plan, augment):
    made = plan(RECIPE + augment)
    for epoch in (0, 2):
        shown = samples(made, 6, epoch, 1)
        numbers, images, targets = trained(made, epoch)
        index = build.inputs(made).training.index
        for row, sample in enumerate(shown):
            assert sample.path == index.path(numbers[row])
            assert sample.label == str(index.labels[numbers[row]])
            assert np.array_equal(sample.draws[0], images[row].transpose(1, 2, 0))
            if targets.ndim == 2 and (targets[row] > 0).sum() > 1:
                share = targets[row, index.labels[numbers[row]]]
                assert f"{share:.2f} {sample.label}" in sample.targets[0]
                assert " + " in sample.targets[0]


def test_each_column_is_another_epoch_of_the_same_samples(plan):
    made = plan(RECIPE + SHIFT)
    shown, later = samples(made, 4, 0, 3), samples(made, 4, 1, 1)
    assert len(shown) == 4
    assert all(len(sample.draws) == len(sample.targets) == 3 for sample in shown)
    assert any(not np.array_equal(sample.draws[0], sample.draws[1]) for sample in shown)
    assert [sample.path for sample in shown] != [sample.path for sample in later]


def test_no_more_rows_than_a_batch_has(plan):
    made = plan(RECIPE.replace("batch_size = 64", "batch_size = 5"))
    assert len(samples(made, 40, 0, 1)) in (4, 5)


def test_shares_of_classes_are_put_in_words():
    classes = ("cat", "dog", "猫")
    assert preview._in_words(torch.tensor([1, 0, 2]), classes) == ["dog", "cat", "2: 猫"]
    mixed = torch.tensor([[0.3, 0.7, 0.0], [0.0, 1.0, 0.0]])
    assert preview._in_words(mixed, classes) == ["0.70 dog + 0.30 cat", "dog"]


# ---- the sheet --------------------------------------------------------------------------------------------


def sheet_of(size, channels, rows=2, label="a class", original=(50, 30)):
    pixels = np.full((size, size, channels), 7, np.uint8)
    pixels[0, 0] = 200
    row = Row(label, "note.jpg", Image.new("RGB", original, (0, 90, 0)), [pixels, pixels], ["one", "two"])
    return draw("title", ["note"], ["original", "epoch 0", "epoch 1"], [row] * rows)


@pytest.mark.parametrize(("size", "side"), [(28, 168), (32, 160), (144, 144), (224, 224), (288, 288), (600, 288)])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_shown_at_a_whole_multiple_or_fitted(size, side, channels):
    made = np.asarray(sheet_of(size, channels))
    covered = (made == 7).all(axis=-1) | (made == 200).all(axis=-1)
    if size <= 288:
        assert covered.sum() == 2 * 2 * side * side
        assert (made == 200).all(axis=-1).sum() == 2 * 2 * (side // size) ** 2
    else:
        assert covered.sum() == pytest.approx(2 * 2 * side * side, rel=0.01)


def test_an_original_is_letterboxed_and_keeps_its_shape():
    made = np.asarray(sheet_of(32, 3, rows=1))
    green = np.argwhere((made == (0, 90, 0)).all(axis=-1))
    height, width = green.max(axis=0) - green.min(axis=0) + 1
    assert (height, width) == (96, 160)


def test_a_long_label_is_cut_off_and_stays_in_its_column():
    short, long = np.asarray(sheet_of(32, 3, 1, "m")), np.asarray(sheet_of(32, 3, 1, "mmmmm " * 50))
    columns = np.flatnonzero((short != long).any(axis=(0, 2)))
    assert len(columns)
    assert columns.max() < 32 + 160
    assert short.shape == long.shape


# ---- the command ------------------------------------------------------------------------------------------


def test_a_png_is_written_and_never_over_another_file_without_force(run_imgcls, write_recipe, tmp_path):
    recipe = write_recipe(RECIPE + SHIFT)
    ended = run_imgcls("preview", recipe, "--rows", 3, "--out", "x.png")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "x.png\n", "")
    with Image.open(tmp_path / "x.png") as image:
        assert image.format == "PNG"
        assert image.width > 6 * 160
        three_rows = image.height
    (tmp_path / "x.png").write_bytes(b"mine")
    ended = run_imgcls("preview", recipe, "--out", "x.png")
    assert ended.returncode == 2
    assert ended.stderr == "--out x.png: is there already and was left as it is; give another name, or --force\n"
    assert (tmp_path / "x.png").read_bytes() == b"mine"
    assert run_imgcls("preview", recipe, "--rows", 4, "--out", "x.png", "--force").returncode == 0
    with Image.open(tmp_path / "x.png") as image:
        assert image.height > three_rows


@pytest.mark.parametrize(
    ("out", "said"),
    [("x.jpg", "ends in .png"), ("gone/x.png", "there is no folder"), ("folder.png", "is a folder")],
)
def test_a_name_that_cannot_be_written_is_refused_before_anything_is_done(tmp_path, monkeypatch, out, said):
    from imgcls.cli.preview import _refuse

    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    from pathlib import Path

    with pytest.raises(UserError, match=said):
        _refuse(Path(out), True)
