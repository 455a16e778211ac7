"""A quarantine list is read for the data it was made for, and for no other."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from imgcls.data import index as indexing
from imgcls.data.quarantine import Quarantined, file_of, read, write
from imgcls.data.source import Source
from imgcls.errors import UserError

NAMES = ["a/plain.jpg", "a/schöne Grüße.jpg", os.fsdecode(b"b/latin-\xe9.jpg"), "b/new\nline.jpg"]
LABELS = [0, 0, 1, 1]


def picture(seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 16, 3)).astype(np.uint8))


@pytest.fixture
def index(tmp_path):
    for seed, name in enumerate(NAMES):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(seed).save(path)
    return built(tmp_path)


def built(tmp_path, labels=LABELS):
    return indexing.build(Source.from_files(tmp_path / "data", NAMES, labels, ["a", "b"]), tmp_path / "cache")


def entries(index, samples=(1, 2, 3)):
    return [Quarantined(sample, index.path(sample), "is damaged") for sample in samples]


def test_what_is_written_is_read_again(tmp_path, index):
    path = write(tmp_path / "cache", index, entries(index))
    assert path == tmp_path / "cache" / f"{index.digest[:32]}.quarantine.jsonl"
    assert read(tmp_path / "cache", index) == entries(index)
    lines = path.read_text().splitlines()
    assert [json.loads(line)["sample"] for line in lines] == [1, 2, 3]


def test_without_a_list_nothing_is_in_quarantine(tmp_path, index):
    assert read(tmp_path / "nowhere", index) == []


def test_an_empty_list_removes_the_file(tmp_path, index):
    write(tmp_path / "cache", index, entries(index))
    write(tmp_path / "cache", index, [])
    assert not file_of(tmp_path / "cache", index).exists()
    write(tmp_path / "cache", index, [])
    assert read(tmp_path / "cache", index) == []


def test_a_new_list_replaces_the_old_and_leaves_nothing_else_behind(tmp_path, index):
    write(tmp_path / "deep/er", index, entries(index))
    write(tmp_path / "deep/er", index, entries(index, [0]))
    assert read(tmp_path / "deep/er", index) == entries(index, [0])
    assert list((tmp_path / "deep/er").iterdir()) == [file_of(tmp_path / "deep/er", index)]


def test_other_data_has_another_list(tmp_path, index):
    write(tmp_path / "cache", index, entries(index))
    assert read(tmp_path / "cache", built(tmp_path, [0, 1, 1, 1])) == []
    assert read(tmp_path / "cache", index.part(np.array([1, 2, 3]))) == []


def test_a_mended_image_of_the_same_size_in_pixels_is_in_quarantine_no_more(tmp_path, index):
    write(tmp_path / "cache", index, entries(index))
    picture(99).save(tmp_path / "data" / NAMES[2])
    again = built(tmp_path)
    assert again.digest == index.digest  # which is why the digest alone is not enough
    assert read(tmp_path / "cache", again) == entries(index, [1, 3])


def test_an_image_that_has_gone_stays_in_quarantine(tmp_path, index):
    (tmp_path / "data" / NAMES[1]).unlink()
    write(tmp_path / "cache", index, entries(index))
    assert read(tmp_path / "cache", index) == entries(index)


def test_a_part_of_a_file_is_known_by_the_file_it_is_in(tmp_path):
    shard = tmp_path / "shard"
    starts = []
    with shard.open("wb") as file:
        for seed in range(3):
            starts.append(file.tell())
            picture(seed).save(file, "PNG")
        ends = [*starts[1:], file.tell()]
    ranges = np.array([[0, start, end - start] for start, end in zip(starts, ends, strict=True)])
    source = Source.from_ranges(tmp_path, ["shard"], ranges, [0, 1, 0], ["a", "b"])
    index = indexing.build(source, tmp_path / "cache")
    write(tmp_path / "cache", index, entries(index, [2]))
    assert read(tmp_path / "cache", index) == entries(index, [2])
    os.utime(shard, ns=(10**18, 10**18))
    assert read(tmp_path / "cache", index) == []


@pytest.mark.parametrize(
    "line", ["{", "[]", "7", '{"sample": 1}', '{"sample": "x", "path": "", "reason": "", "file": null}', ""]
)
def test_a_damaged_list_is_named_with_its_line(tmp_path, index, line):
    path = write(tmp_path / "cache", index, entries(index, [1]))
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(UserError, match=r"jsonl:2: is no line of a quarantine list; run `imgcls data check`"):
        read(tmp_path / "cache", index)
