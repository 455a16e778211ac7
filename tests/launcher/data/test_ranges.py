"""Images that are parts of larger files: found, read and decoded as if each were a file of its own."""

import numpy as np
import pytest
import torch
from PIL import Image

from imgcls import UserError
from imgcls.data import index as indexing
from imgcls.data.index import Index
from imgcls.data.loader import evaluation_batches, training_batches
from imgcls.data.order import Order
from imgcls.data.pipeline import Evaluation, Machine, Training
from imgcls.data.source import Source
from imgcls.plan import Format
from imgcls_augment.random_resized_crop import Region

CPU = Machine(device_id=None, threads=2, prefetch=2, decode="auto")
RGB = Format(32, 3, (0.0,) * 3, (1 / 255,) * 3, 36, "bilinear")


@pytest.fixture
def both(tmp_path):
    """The same twenty pictures as files, and in two larger files with gaps between them."""
    chance = np.random.default_rng(0)
    names, labels = [], [i % 3 for i in range(20)]
    blobs, ranges = [bytearray(b"start"), bytearray()], []
    for i in range(20):
        small = chance.integers(0, 256, (5 + i, 9, 3)).astype(np.uint8)
        name = f"{i}.{'png' if i % 4 == 0 else 'jpg'}"
        names.append(name)
        Image.fromarray(small).resize((60 + i, 40 + 2 * i), Image.BICUBIC).save(tmp_path / name)
        data = (tmp_path / name).read_bytes()
        blob = blobs[i % 2]
        ranges.append((i % 2, len(blob), len(data)))
        blob += data + b"\xff\xd8 gap"
    for number, blob in enumerate(blobs):
        (tmp_path / f"shard {number}.bin").write_bytes(blob)
    files = Source.from_files(tmp_path, names, labels, "abc")
    parts = Source.from_ranges(tmp_path, ["shard 0.bin", "shard 1.bin"], np.array(ranges), labels, "abc")
    return files, parts


def test_headers_and_bytes_of_parts_are_those_of_the_files(both, tmp_path):
    files, parts = (indexing.build(source, tmp_path / "cache") for source in both)
    assert files.sizes.tolist() == parts.sizes.tolist()
    for sample in (0, 7, 19):
        assert parts.read(sample) == files.read(sample)
        assert "shard" in parts.path(sample)
        assert f"from byte {both[1].ranges[sample, 1]} on" in parts.path(sample)


def test_an_index_of_parts_survives_parquet_and_can_be_cut(both, tmp_path):
    made = indexing.build(both[1], tmp_path / "cache")
    made.save(tmp_path / "i.parquet")
    found = Index.load(tmp_path / "i.parquet", tmp_path)
    assert found.digest == made.digest
    assert np.array_equal(found.ranges, made.ranges)
    some = found.part(np.array([19, 3]))
    assert some.read(0) == made.read(19)
    assert some.digest != made.digest
    again = indexing.build(both[1], tmp_path / "cache")
    assert again.digest == made.digest


def test_training_and_evaluation_of_parts_are_bit_for_bit_those_of_files(both, tmp_path):
    files, parts = (indexing.build(source, tmp_path / "cache") for source in both)
    order = Order(20, 6, epochs=2, seed=3)
    crop = Region((0.3, 1.0), (0.75, 1.3))
    found = [list(training_batches(Training(i, RGB, crop, [], 3), order, 0, 0, 1, CPU)) for i in (files, parts)]
    assert len(found[0]) == 8
    for one, other in zip(*found, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
    scored = [list(evaluation_batches(Evaluation(i, RGB), 8, 0, 1, CPU)) for i in (files, parts)]
    assert all(torch.equal(a[0], b[0]) for a, b in zip(*scored, strict=True))


def test_a_part_that_is_no_image_is_named_by_file_and_byte(both, tmp_path):
    _, parts = both
    ranges = parts.ranges.copy()
    ranges[3, 1] += 1
    broken = Source.from_ranges(tmp_path, parts.paths, ranges, parts.labels, "abc")
    with pytest.raises(UserError) as raised:
        indexing.build(broken, tmp_path / "cache")
    assert f"shard 1.bin, {ranges[3, 2]} bytes from byte {ranges[3, 1]} on: is not an image" in str(raised.value)
    index = indexing.build(broken, tmp_path / "cache", skip_bad=True)
    assert len(index) == 19
    assert len(index.left_out) == 1
    with pytest.raises(UserError):  # the cache has not made it good
        indexing.build(broken, tmp_path / "cache")


def test_weights_are_kept_and_are_part_of_what_the_data_is(both, tmp_path):
    files, _ = both
    weights = np.linspace(0.1, 2, 20)
    heavy = Source.from_files(tmp_path, files.paths, files.labels, "abc", weights)
    made = indexing.build(heavy, tmp_path / "cache")
    assert made.digest != indexing.build(files, tmp_path / "cache").digest
    assert np.array_equal(indexing.build(heavy, tmp_path / "cache").weights, weights)
    assert np.array_equal(made.part(np.array([5, 2])).weights, weights[[5, 2]])
    for wrong in (-weights, weights[:3], np.zeros(20), weights * np.nan):
        with pytest.raises(ValueError, match="weights"):
            Source.from_files(tmp_path, files.paths, files.labels, "abc", wrong)
