"""Images that cannot be decoded: named, left out if the recipe says so, and nothing else is changed by them."""

import numpy as np
import pytest
import torch
from PIL import Image

from imgcls import UserError
from imgcls.data import again
from imgcls.data import index as indexing
from imgcls.data.loader import evaluation_batches, training_batches
from imgcls.data.order import Order
from imgcls.data.pipeline import Evaluation, Machine, Training
from imgcls.data.source import Source
from imgcls.errors import StorageError
from imgcls.plan import Format
from imgcls_augment.random_resized_crop import Region

CPU = Machine(device_id=None, threads=2, prefetch=3, decode="auto")
RGB = Format(24, 3, (0.0,) * 3, (1 / 255,) * 3, 28, "bilinear")
BAD = (4, 11, 29)


@pytest.fixture
def indexes(tmp_path):
    """Thirty pictures; and the same with three of them cut off behind their headers."""
    chance = np.random.default_rng(0)
    for folder in ("whole", "cut"):
        (tmp_path / folder).mkdir()
    names = [f"{i} ä.jpg" for i in range(30)]
    for i, name in enumerate(names):
        image = Image.fromarray(chance.integers(0, 256, (40 + i, 50, 3)).astype(np.uint8))
        image.save(tmp_path / "whole" / name, quality=90)
        data = (tmp_path / "whole" / name).read_bytes()
        (tmp_path / "cut" / name).write_bytes(data[: len(data) // 2] if i in BAD else data)
    labels = [i % 3 for i in range(30)]
    sources = [Source.from_files(tmp_path / folder, names, labels, "abc") for folder in ("whole", "cut")]
    return [indexing.build(source, tmp_path / "cache") for source in sources]


def train(index, order, rank=0, world=1, start=0, lost=None):
    crop = Region((0.3, 1.0), (0.75, 1.3))
    return list(training_batches(Training(index, RGB, crop, [], 3), order, start, rank, world, CPU, lost))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_all_others_come_bit_for_bit_and_in_order_with_their_labels(indexes, world):
    order = Order(30, 7, epochs=2, seed=3)
    told = []
    for rank in range(world):
        whole = train(indexes[0], order, rank, world)
        some = train(indexes[1], order, rank, world, lost=lambda path, why: told.append((path, why)))
        assert len(whole) == len(some) == order.total_steps
        for one, other in zip(whole, some, strict=True):
            good = [i for i, sample in enumerate(one.place.samples) if sample not in BAD]
            assert other.kept.tolist() == good
            assert other.place.batch_size == one.place.batch_size
            assert torch.equal(other.images, one.images[good])
            assert torch.equal(other.labels, one.labels[good])
    # each of them once an epoch, over all ranks
    assert sorted(path for path, _ in told) == sorted(2 * [indexes[1].path(sample) for sample in BAD])
    assert {why for _, why in told} == {"is damaged or cut off"}


def test_an_evaluation_counts_exactly_those_that_are_left(indexes):
    told = []
    batches = list(evaluation_batches(Evaluation(indexes[1], RGB), 8, 0, 1, CPU, lambda *why: told.append(why)))
    assert [len(labels) for _, labels in batches] == [7, 7, 8, 5]
    whole = torch.cat([images for images, _ in evaluation_batches(Evaluation(indexes[0], RGB), 8, 0, 1, CPU)])
    good = [i for i in range(30) if i not in BAD]
    assert torch.equal(torch.cat([images for images, _ in batches]), whole[good])
    assert torch.cat([labels for _, labels in batches]).tolist() == [i % 3 for i in good]
    assert len(told) == 3


def test_without_skipping_the_first_one_ends_the_run_with_its_name_and_what_to_do(indexes):
    with pytest.raises(UserError) as raised:
        train(indexes[1], Order(30, 7, epochs=1, seed=3))
    first, *_, last = str(raised.value).splitlines()
    assert any(f"{sample} ä.jpg: is damaged or cut off" in first for sample in BAD)
    assert 'set data.on_bad_image = "skip"' in last


def test_a_batch_with_nothing_left_is_an_error_that_says_so(indexes):
    index = indexes[1].part(np.array(BAD))
    with pytest.raises(UserError, match="no image of a batch can be decoded"):
        train(index, Order(3, 3, epochs=1, seed=0), lost=lambda *_: None)


def test_a_file_that_is_gone_empty_or_another_since_it_was_indexed_is_named_with_what_it_is(indexes, tmp_path):
    folder = tmp_path / "whole"
    (folder / "0 ä.jpg").unlink()
    (folder / "1 ä.jpg").write_bytes(b"")
    (folder / "2 ä.jpg").write_text("a shopping list")
    Image.new("RGB", (9, 9)).save(folder / "3 ä.jpg")
    told = {}
    order = Order(30, 30, epochs=1, seed=3)
    with pytest.raises(UserError) as raised:
        train(indexes[0], order)
    assert "0 ä.jpg: cannot be read: No such file or directory" in str(raised.value)
    batches = train(indexes[0], order, lost=lambda path, why: told.update({path.rpartition("/")[2]: why}))
    assert [len(batch.images) for batch in batches] == [26]
    assert told == {
        "0 ä.jpg": "cannot be read: No such file or directory",
        "1 ä.jpg": "is empty",
        "2 ä.jpg": "is not an image that DALI decodes",
        "3 ä.jpg": "is 9x9 pixels, but was 43x50 when it was indexed",
    }


@pytest.fixture
def away(indexes, tmp_path):
    """Calls that take the storage of the whole pictures away, and put it back."""
    folder, elsewhere = tmp_path / "whole", tmp_path / "elsewhere"
    return lambda: folder.rename(elsewhere), lambda: elsewhere.rename(folder)


def test_storage_that_is_away_for_a_while_is_waited_for_and_changes_no_bit(indexes, away):
    order, (leave, come_back) = Order(30, 7, epochs=2, seed=3), away
    expected = train(indexes[0], order)
    crop = Region((0.3, 1.0), (0.75, 1.3))
    warnings, lost = [], []

    def warn(text):
        warnings.append(text)
        if "waiting" in text:
            come_back()

    batches = training_batches(
        Training(indexes[0], RGB, crop, [], 3), order, 0, 0, 1, CPU, lambda *what: lost.append(what), warn=warn
    )
    found = [next(batches)]
    leave()
    found += batches
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
    assert lost == []
    assert "No such file or directory; waiting up to 60 s for its storage" in warnings[0]
    assert "read again, and nothing is lost" in warnings[1]


def test_an_evaluation_waits_for_storage_too(indexes, away):
    leave, come_back = away
    expected = list(evaluation_batches(Evaluation(indexes[0], RGB), 8, 0, 1, CPU))
    warnings = []

    def warn(text):
        if not warnings:
            come_back()
        warnings.append(text)

    batches = evaluation_batches(Evaluation(indexes[0], RGB), 8, 0, 1, CPU, warn=warn)
    leave()
    for (images, labels), (same_images, same_labels) in zip(batches, expected, strict=True):
        assert torch.equal(images, same_images)
        assert torch.equal(labels, same_labels)
    assert "waiting" in warnings[0]


def test_storage_that_stays_away_ends_the_run_rather_than_leave_good_images_out(indexes, away, monkeypatch):
    monkeypatch.setattr(again, "PATIENCE", 0.2)
    away[0]()
    lost = []
    with pytest.raises(
        StorageError, match=r"cannot be read for 0.2 s: No such file or directory\nmend the storage"
    ):
        train(indexes[0], Order(30, 7, epochs=1, seed=3), lost=lambda *what: lost.append(what))
    assert lost == []


def test_an_error_that_comes_again_and_again_is_raised_as_it_is(indexes, monkeypatch):
    monkeypatch.setattr(again, "pauses", lambda _longest: iter([0.0] * 9))
    tries = []

    def fails(kept):
        tries.append(kept.tolist())
        raise RuntimeError("again")

    retry = again.Again(indexes[0], lambda _data, _sample: None, None, None)
    with pytest.raises(RuntimeError, match="again"):
        retry.make(np.array([3, 5]), RuntimeError("first"), fails)
    assert tries == 4 * [[0, 1]]
