"""What a node must find of the data, with real indexes and images."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from PIL import Image

from imgcls.data.index import build
from imgcls.data.source import Source
from imgcls.doctor.data import described, splits, wrong_with
from imgcls.plan import IndexFile


@dataclass
class Indexed:
    train: IndexFile
    validation: IndexFile


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "images"
    root.mkdir()
    names = [f"{number}.png" for number in range(100)]
    for number, name in enumerate(names):
        Image.new("L", (28, 28 + number)).save(root / name)
    index = build(Source.from_files(root, names, [0] * 100, ["all"]), tmp_path)
    path = tmp_path / "kept.parquet"
    index.save(path)
    file = IndexFile(str(path), str(root), index.digest, len(index))
    return Indexed(file, file)


def test_here_all_is_found_and_said(data):
    found = splits(data, deep=True)
    assert [wrong_with(split) for split in found] == ["", ""]
    assert all(len(split.files) == 64 for split in found)
    assert described(found).startswith(f"train 100 samples, index {data.train.digest[:12]}, 64 files of the same")


def test_a_root_that_is_missing_is_named(data, tmp_path):
    train, _ = splits(data, deep=False)
    (tmp_path / "images").rename(tmp_path / "away")
    assert wrong_with(train) == f"train: there is no folder {tmp_path}/images there"


def test_files_that_are_missing_or_of_another_size_are_named(data, tmp_path):
    train, _ = splits(data, deep=False)
    (tmp_path / "images/0.png").unlink()
    (tmp_path / "images/1.png").write_bytes(b"short")
    assert "of 64 files looked at" in wrong_with(train)
    assert wrong_with(train).endswith("2 are missing or of another size there: 0.png, 1.png")


def test_another_index_of_the_same_size_is_found_by_its_hash_alone(data, tmp_path):
    deep, quick = splits(data, deep=True)[0], splits(data, deep=False)[0]
    path = tmp_path / "kept.parquet"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    assert "the index" in wrong_with(deep)
    assert wrong_with(quick) == ""
    path.write_bytes(whole[:-1])
    assert "is another there" in wrong_with(quick)
    path.unlink()
    assert "cannot be read there: No such file or directory" in wrong_with(quick)


def test_an_index_that_is_carried_to_the_nodes_is_not_looked_for(data, tmp_path):
    found = splits(data, deep=True, carried=True)
    (tmp_path / "kept.parquet").unlink()
    assert [wrong_with(split) for split in found] == ["", ""]


def test_images_that_were_fetched_here_are_not_looked_for_on_other_nodes(data, tmp_path, monkeypatch):
    monkeypatch.setenv("IMGCLS_CACHE", str(tmp_path))
    found = splits(data, deep=False)
    (tmp_path / "images").rename(tmp_path / "away")
    assert [wrong_with(split) for split in found] == ["", ""]
