"""Training set, holdout and validation set have no sample in common, and a fraction is a part of the first alone."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgcls.data import index as indexing
from imgcls.data.division import Division
from imgcls.data.index import Index
from imgcls.data.prepare import indexes, prepare
from imgcls.data.quarantine import Quarantined, write
from imgcls.data.source import Source
from imgcls.errors import UserError
from imgcls.plan import make
from imgcls.plugins import installed
from imgcls.recipe import read

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
RECIPE = """\
seed = 3
model = "lenet5"
optimizer = {{ name = "sgd", lr = 0.1 }}
data = "{data}"
train = {{ epochs = 1, batch_size = 32 }}
"""


def quiet(_done, _all):
    pass


@pytest.fixture
def divided(write_recipe, tmp_path):
    """A function from a dataset and --set's to the plan's data and both indexes, as a launch makes them."""

    def divide(data, *overrides):
        recipe = read(write_recipe(RECIPE.format(data=data)), installed(), overrides)
        planned = prepare(recipe, tmp_path / "cache", quiet)
        train, validation = (
            Index.load(Path(part.path), Path(part.root)) for part in (planned.train, planned.validation)
        )
        assert (train.digest, validation.digest) == (planned.train.digest, planned.validation.digest)
        return recipe, planned, train, validation

    return divide


def samples(index):
    """What is in an index, each sample by its pixels or its path."""
    if index.pixels is not None:
        return [pixels.tobytes() for pixels in index.pixels]
    return [index.path(sample) for sample in range(len(index))]


def counts(index):
    return np.bincount(index.labels, minlength=len(index.classes)).tolist()


def rounded(labels, share):
    return [round(share * count) for count in counts(labels)]


# digits: no two of the 1,797 pictures are the same, so a picture tells which sample it is
def test_the_parts_of_digits_have_the_samples_that_they_should_have(divided):
    _, _, train, validation = divided("digits")
    _, _, rest, holdout = divided("digits", "data.holdout=0.25")
    _, _, some, same = divided("digits", "data.holdout=0.25", "data.fraction=0.1")
    assert (len(train), len(validation)) == (1618, 179)
    assert counts(holdout) == rounded(train, 0.25)
    assert len(rest) == 1618 - len(holdout)
    assert counts(some) == rounded(rest, 0.1)
    assert same.digest == holdout.digest
    whole = [set(samples(part)) for part in (rest, holdout, validation)]
    assert sum(map(len, whole)) == len(set.union(*whole)) == 1797
    assert set(samples(some)) < set(samples(rest))


def test_a_holdout_is_drawn_apart_from_the_validation_set_and_by_the_samples_own_numbers(divided):
    parts = [divided("digits", f"data.validation={share}", "data.holdout=0.2")[3] for share in (0.1, 0.15)]
    holdout, with_fewer_left = (set(samples(part)) for part in parts)
    larger = set(samples(divided("digits", "data.validation=0.4")[3]))
    assert abs(len(holdout & larger) - len(holdout) / 3) < 5 * np.sqrt(len(holdout) * 2 / 9)
    assert len(holdout & with_fewer_left) > 0.8 * len(with_fewer_left)


def test_fractions_are_nested_with_a_holdout_and_without(divided):
    for more in ((), ("data.holdout=0.2",)):
        parts = [divided("digits", f"data.fraction={f}", *more) for f in (0.05, 0.1, 0.3, 0.9, 1.0)]
        sets = [set(samples(train)) for _, _, train, _ in parts]
        assert all(small < large for small, large in pairwise(sets))
        assert len({validation.digest for *_, validation in parts}) == 1
        assert len({train.digest for _, _, train, _ in parts}) == 5


def test_another_seed_gives_another_holdout_and_another_fraction(divided):
    said = ("data.validation=0.1", "data.holdout=0.2", "data.fraction=0.5")
    one, other = (divided("digits", *said, f"seed={seed}") for seed in (3, 4))
    assert one[1].train.digest != other[1].train.digest
    assert one[1].validation.digest != other[1].validation.digest


def test_with_a_seed_of_its_own_the_split_stays_whatever_the_runs_seed(divided):
    said = ("data.validation=0.1", "data.holdout=0.2", "data.fraction=0.5")
    one, other = (divided("digits", *said, f"seed={seed}", "data.split_seed=3") for seed in (3, 4))
    as_before = divided("digits", *said, "seed=3")
    for each in (other, as_before):
        assert each[1].train.digest == one[1].train.digest
        assert each[1].validation.digest == one[1].validation.digest
    assert one[0].seed != other[0].seed


def test_a_plan_of_another_fraction_or_holdout_is_another_run_whatever_the_number_of_workers(divided):
    plans = {}
    for said in ((), ("data.fraction=0.5",), ("data.holdout=0.1",)):
        for workers in (0, 1, 4):
            recipe, planned, *_ = divided("digits", *said, f"workers.count={workers}")
            plans[said, workers] = json.dumps(make(recipe, planned, "x").identity, sort_keys=True)
    assert len(set(plans.values())) == 3
    assert all(plans[said, workers] == plans[said, 0] for said, workers in plans)


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((9, 9), len(path.name), np.uint8)).save(path)


@pytest.fixture
def with_own(tmp_path):
    """Two classes of 40 and 20 pictures to train, and of 6 and 4 in a validation set of its own."""
    for split, sizes in (("train", (40, 20)), ("val", (6, 4))):
        for name, size in zip("ab", sizes, strict=True):
            for number in range(size):
                picture(tmp_path / "pictures" / split / name / f"{number}.png")
    return f'data={{ name = "image_folder", root = "{tmp_path}/pictures" }}'


def test_with_a_holdout_a_validation_set_of_the_datasets_own_is_not_looked_at(divided, with_own, tmp_path):
    _, _, train, validation = divided("digits", with_own)
    assert (counts(train), counts(validation)) == ([40, 20], [6, 4])
    (tmp_path / "pictures/val/b/0.png").write_text("no image")
    with pytest.raises(UserError, match="val/b/0.png"):
        divided("digits", with_own, "data.fraction=0.5")
    _, _, rest, holdout = divided("digits", with_own, "data.holdout=0.3", "data.fraction=0.5")
    assert (counts(rest), counts(holdout)) == ([14, 7], [12, 6])
    assert not set(samples(rest)) & set(samples(holdout))
    assert {Path(path).parts[-3] for path in samples(rest) + samples(holdout)} == {"train"}


def test_a_fraction_leaves_a_validation_set_as_it_is(divided, with_own):
    _, _, train, validation = divided("digits", with_own, "data.fraction=0.1")
    assert (counts(train), counts(validation)) == ([4, 2], [6, 4])


def quarantined(part, cache, numbers):
    write(cache, part, [Quarantined(number, part.path(number), "is damaged") for number in numbers])


def test_what_is_in_quarantine_is_left_out_before_shares_are_counted(divided, with_own, tmp_path):
    recipe, *_ = divided("digits", with_own)
    train, _ = indexes(recipe, tmp_path / "cache", quiet)
    before = [divided("digits", with_own, f"data.fraction={f}")[2] for f in (0.2, 0.5)]
    bad = [sample for sample in range(40) if train.path(sample) in samples(before[0])]
    assert len(bad) == 8
    quarantined(train, tmp_path / "cache", bad)
    parts = [divided("digits", with_own, f"data.fraction={f}")[2] for f in (0.2, 0.5, 1.0)]
    assert [counts(part) for part in parts] == [[round(0.2 * 32), 4], [16, 10], [32, 20]]
    small, large, whole = (set(samples(part)) for part in parts)
    assert small < large < whole
    assert not whole & {train.path(sample) for sample in bad}
    # of those that are left, the same come first as before
    assert set(samples(before[1])) - {train.path(sample) for sample in bad} < large
    assert {reason for _, reason in parts[0].left_out} == {"in quarantine: is damaged"}
    _, _, rest, holdout = divided("digits", with_own, "data.holdout=0.5")
    assert (counts(rest), counts(holdout)) == ([16, 10], [16, 10])


def test_a_class_that_has_one_image_left_to_train_on_keeps_it(tmp_path):
    source = Source.from_pixels(np.zeros((6, 4, 4, 1), np.uint8), np.array([0, 0, 0, 1, 1, 1]), ["a", "b"])
    whole = indexing.build(source, tmp_path)
    train, holdout = Division(0, 0.3, 0.9, 0.01).divide(whole, False, tmp_path)
    assert (counts(train), counts(holdout)) == ([1, 1], [1, 1])
    with pytest.raises(UserError, match="every class has one image to train on, none can be held out"):
        Division(0, 0.9, 0.9).divide(whole, False, tmp_path)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_fashion_mnist_is_held_out_of_its_training_set(divided):
    _, planned, train, holdout = divided("fashion_mnist", "data.holdout=0.1", "data.fraction=0.05")
    assert (counts(train), counts(holdout)) == ([270] * 10, [600] * 10)
    assert (planned.train.samples, planned.validation.samples) == (2700, 6000)


def test_a_run_is_evaluated_on_its_holdout(run_imgcls, write_recipe, tmp_path):
    recipe = write_recipe(RECIPE.format(data="digits"))
    words = ("--set", "data.holdout=0.2", "--set", "data.fraction=0.3")
    ended = run_imgcls("launch", recipe, "--workers", 0, *words)
    assert ended.returncode == 0, ended
    assert "388 images to train and 324 to validate" in ended.stdout
    run = tmp_path / "runs/x"
    result = json.loads((run / "result.json").read_text())
    assert result["n"] == 324
    ended = run_imgcls("evaluate", run, "--json", "-")
    mine = json.loads(ended.stdout)
    assert (mine["n"], mine["top1"], mine["data"]) == (324, result["top1"], "holdout of digits, as in the run")
    ended = run_imgcls("evaluate", run, "--set", "data.holdout=0", "--json", "-")
    unseen = json.loads(ended.stdout)
    assert (unseen["n"], unseen["data"]) == (179, "validation of digits, with --set")
    for file in (tmp_path / "runs/.index").glob("*.parquet"):
        file.unlink()
    again = json.loads(run_imgcls("evaluate", run, "--json", "-").stdout)
    assert {**again, "data": ""} == {**mine, "data": ""}
    assert again["notes"] == []
    another = run_imgcls("launch", recipe, "--workers", 0, *words[:2])
    assert another.returncode == 2
    assert "data.train: was " in another.stderr
    continued = run_imgcls("launch", recipe, "--workers", 0, *words)
    assert continued.returncode == 0, continued
