"""An index says what lies where, is kept while nothing changes, and names every file that is no good."""

import hashlib
import os
import random
import struct

import numpy as np
import pytest
from PIL import Image

from imgcls.data import headers
from imgcls.data import index as indexing
from imgcls.data.index import Index
from imgcls.data.source import Source
from imgcls.errors import UserError

NAMES = ["a/plain.jpg", "a/with blank.jpg", "b/schöne Grüße.jpg", "b/日本.jpg", os.fsdecode(b"b/latin-\xe9.jpg")]


def noise(height, width, channels=3, seed=0):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8))


def write_all(root, names=NAMES):
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(10 + i, 20 + i, seed=i).save(path)
    return Source.from_files(root, names, [int(name[0] == "b") for name in names], ["a", "b"])


def same(one, other):
    assert one.classes == other.classes
    assert np.array_equal(one.labels, other.labels)
    assert one.labels.dtype == other.labels.dtype == np.int64
    assert np.array_equal(one.sizes, other.sizes)
    assert one.sizes.dtype == other.sizes.dtype == np.int32
    assert one.digest == other.digest
    assert (one.paths is None) == (other.paths is None)
    if one.paths is not None:
        assert one.paths.tolist() == other.paths.tolist()
    assert (one.pixels is None) == (other.pixels is None)
    if one.pixels is not None:
        assert np.array_equal(one.pixels, other.pixels)


def test_an_index_of_files_survives_parquet(tmp_path):
    made = indexing.build(write_all(tmp_path / "data"), tmp_path / "cache")
    made.save(tmp_path / "deep/er/index.parquet")
    same(made, Index.load(tmp_path / "deep/er/index.parquet", tmp_path / "data"))
    assert made.sizes.tolist() == [[10 + i, 20 + i] for i in range(len(NAMES))]
    assert [path.name for path in (tmp_path / "deep/er").iterdir()] == ["index.parquet"]


@pytest.mark.parametrize("shape", [(5, 8, 8, 1), (1, 3, 4, 3), (70, 28, 28, 1)])
def test_an_index_of_pixels_survives_parquet(tmp_path, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    source = Source.from_pixels(pixels, np.arange(shape[0]) % 2, ["x", "y"])
    made = indexing.build(source, tmp_path / "cache")
    made.save(tmp_path / "i.parquet")
    found = Index.load(tmp_path / "i.parquet", made.root)
    same(made, found)
    assert np.array_equal(found.feed(np.array([shape[0] - 1, 0])), pixels[[shape[0] - 1, 0]])


def test_more_pixels_than_parquet_puts_into_one_row_group_come_back_whole(tmp_path):
    n = 1_100_000
    pixels = np.random.default_rng(0).integers(0, 256, (n, 1, 1, 1)).astype(np.uint8)
    made = indexing.build(Source.from_pixels(pixels, np.arange(n) % 2, ["x", "y"]), tmp_path)
    made.save(tmp_path / "i.parquet")
    same(made, Index.load(tmp_path / "i.parquet", made.root))


def test_names_are_fed_byte_for_byte(tmp_path):
    made = indexing.build(write_all(tmp_path / "data"), tmp_path / "cache")
    for sample, fed in enumerate(made.feed(np.arange(len(NAMES)))):
        assert fed.dtype == np.uint8
        assert os.path.isfile(fed.tobytes())
        assert fed.tobytes() == os.fsencode(tmp_path / "data" / NAMES[sample])
        assert made.path(sample) == str(tmp_path / "data" / NAMES[sample])


def test_nothing_changed_means_nothing_is_read_again(tmp_path):
    source = write_all(tmp_path / "data")
    read = []
    first = indexing.build(source, tmp_path / "cache", lambda done, of: read.append((done, of)))
    assert read[-1] == (len(NAMES), len(NAMES))
    read.clear()
    same(first, indexing.build(source, tmp_path / "cache", lambda done, of: read.append((done, of))))
    assert read == []
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_changed_file_is_read_again(tmp_path):
    source = write_all(tmp_path / "data")
    first = indexing.build(source, tmp_path / "cache")
    noise(33, 44).save(tmp_path / "data" / NAMES[1])
    second = indexing.build(source, tmp_path / "cache")
    assert second.sizes[1].tolist() == [33, 44]
    assert second.digest != first.digest


def test_a_file_touched_at_another_time_is_read_again(tmp_path):
    source = write_all(tmp_path / "data")
    first = indexing.build(source, tmp_path / "cache")
    os.utime(tmp_path / "data" / NAMES[0], ns=(10**18, 10**18 + 1))
    read = []
    same(first, indexing.build(source, tmp_path / "cache", lambda done, of: read.append(done)))
    assert read


def test_the_digest_does_not_depend_on_where_the_data_lies(tmp_path):
    here = indexing.build(write_all(tmp_path / "here"), tmp_path / "cache")
    there = indexing.build(write_all(tmp_path / "th ere/deeper"), tmp_path / "cache")
    assert here.digest == there.digest
    assert here.root != there.root


def test_the_digest_depends_on_all_the_rest(tmp_path):
    pixels = np.zeros((4, 2, 2, 1), np.uint8)
    changed = pixels.copy()
    changed[3, 1, 1, 0] = 1
    digests = {
        indexing.build(Source.from_pixels(p, labels, classes), tmp_path).digest
        for p, labels, classes in [
            (pixels, [0, 1, 0, 1], "ab"),
            (changed, [0, 1, 0, 1], "ab"),
            (pixels, [0, 1, 1, 1], "ab"),
            (pixels, [0, 1, 0, 1], "ac"),
        ]
    }
    assert len(digests) == 4


def test_a_part_has_its_samples_in_the_order_given(tmp_path):
    whole = indexing.build(write_all(tmp_path / "data"), tmp_path / "cache")
    part = whole.part(np.array([3, 0]))
    assert part.paths.tolist() == [whole.paths[3], whole.paths[0]]
    assert part.labels.tolist() == [1, 0]
    assert part.sizes.tolist() == whole.sizes[[3, 0]].tolist()
    assert part.digest not in (whole.digest, whole.part(np.array([0, 3])).digest)
    part.save(tmp_path / "part.parquet")
    same(part, Index.load(tmp_path / "part.parquet", whole.root))


def rotated(path, orientation, form):
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise(30, 50).save(path, form, exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sizes_are_those_after_the_exif_orientation(tmp_path, orientation):
    rotated(tmp_path / "r.jpg", orientation, "JPEG")
    made = indexing.build(Source.from_files(tmp_path, ["r.jpg"], [0], ["a"]), tmp_path / "cache")
    assert made.sizes.tolist() == [[50, 30] if orientation >= 5 else [30, 50]]


def test_every_bad_file_is_named_and_no_good_one(tmp_path):
    root = tmp_path / "data"
    write_all(root)
    (root / "a/text.jpg").write_text("this is no picture")
    (root / "a/empty.jpg").touch()
    noise(5, 5).convert("P").save(root / "a/gif.jpg", "GIF")
    (root / "b/folder.jpg").mkdir()
    (root / "b/head.jpg").write_bytes((root / NAMES[0]).read_bytes()[:30])
    bad = ["a/text.jpg", "a/empty.jpg", "a/gif.jpg", "b/folder.jpg", "b/head.jpg"]
    names = [*NAMES, *bad]
    source = Source.from_files(root, names, [0] * len(names), ["a"])
    with pytest.raises(UserError) as caught:
        indexing.build(source, tmp_path / "cache")
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines[:-1]] == [str(root / name) for name in bad]
    assert lines[0].endswith("is not an image")
    assert lines[1].endswith("is empty")
    assert "GIF" in lines[2]
    assert lines[-1].startswith("5 files")
    assert not (tmp_path / "cache").exists()


def test_missing_files_are_all_named(tmp_path):
    source = write_all(tmp_path / "data")
    for name in NAMES[1:3]:
        (tmp_path / "data" / name).unlink()
    with pytest.raises(UserError) as caught:
        indexing.build(source, tmp_path / "cache")
    for i, name in enumerate(NAMES):
        assert (str(tmp_path / "data" / name) in str(caught.value)) == (i in (1, 2))


def test_a_long_list_of_bad_files_is_cut_and_counted(tmp_path):
    for i in range(50):
        (tmp_path / f"{i}.jpg").write_text("no")
    source = Source.from_files(tmp_path, [f"{i}.jpg" for i in range(50)], [0] * 50, ["a"])
    with pytest.raises(UserError, match="and 30 more\n50 files"):
        indexing.build(source, tmp_path / "cache")


def test_no_image_at_all_is_said(tmp_path):
    with pytest.raises(UserError, match="no images"):
        indexing.build(Source.from_files(tmp_path, [], [], ["a"]), tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about the damage
def test_a_damaged_header_is_named_and_never_a_crash(tmp_path):
    """Flip bits in the first bytes of JPEGs and PNGs: each file is taken or refused, whatever it says."""
    rotated(tmp_path / "r.jpg", 6, "JPEG")
    rotated(tmp_path / "r.png", 6, "PNG")
    rotated(tmp_path / "r.tif", 6, "TIFF")
    chance = random.Random(0)
    results = set()
    for name in ("r.jpg", "r.png", "r.tif"):
        whole = (tmp_path / name).read_bytes()
        for _ in range(400):
            data = bytearray(whole)
            for _ in range(chance.randint(1, 3)):
                data[chance.randrange(min(len(data), 200))] ^= 1 << chance.randrange(8)
            (tmp_path / "x").write_bytes(data)
            header = headers._read_one((str(tmp_path / "x"), 0, -1))
            results.add(type(header))
            assert isinstance(header, str) or (len(header) == 2 and min(header) > 0)
    assert results == {str, tuple}


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_counts_as_none(tmp_path, orientation):
    rotated(tmp_path / "r.jpg", orientation, "JPEG")
    assert headers._read_one((str(tmp_path / "r.jpg"), 0, -1)) == (30, 50)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_orientation_of_two_values_is_no_crash(tmp_path):
    rotated(tmp_path / "r.jpg", 6, "JPEG")
    data = (tmp_path / "r.jpg").read_bytes()
    for order in ("<", ">"):  # tag 0x112, SHORT, count 1 -> 2
        entry = struct.pack(f"{order}HHI", 0x0112, 3, 1)
        data = data.replace(entry, struct.pack(f"{order}HHI", 0x0112, 3, 2))
    assert data != (tmp_path / "r.jpg").read_bytes()
    (tmp_path / "r.jpg").write_bytes(data)
    source = Source.from_files(tmp_path, ["r.jpg"], [0], ["a"])
    try:
        found = sorted(indexing.build(source, tmp_path / "cache").sizes[0].tolist())
    except UserError as error:
        found = str(error)
    assert found == [30, 50] or "r.jpg" in found


def test_a_source_refuses_labels_that_do_not_fit():
    pixels = np.zeros((2, 4, 4, 1), np.uint8)
    with pytest.raises(ValueError, match="2 images, but 3 labels"):
        Source.from_pixels(pixels, [0, 0, 0], "a")
    with pytest.raises(ValueError, match="labels must be in"):
        Source.from_pixels(pixels, [0, 1], "a")
    with pytest.raises(ValueError, match="labels must be in"):
        Source.from_pixels(pixels, [0, -1], "a")
    for wrong in (pixels.astype(np.float32), pixels[..., 0], np.zeros((2, 4, 4, 2), np.uint8)):
        with pytest.raises(ValueError, match="uint8"):
            Source.from_pixels(wrong, [0, 0], "a")


def test_the_digest_is_a_sha256(tmp_path):
    made = indexing.build(write_all(tmp_path / "data"), tmp_path / "cache")
    assert len(made.digest) == hashlib.sha256().digest_size * 2
