"""Hugging Face's Parquet files: unpacked once, whole or not at all."""

import json
import os
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imgcls import UserError
from imgcls_datasets import parquet
from imgcls_datasets.options import Parquet

NAMES = ["tench, Tinca tinca", "goldfish", "白鲨"]


def put(file, images, labels, names=NAMES, column="image", plain=False, kind="int64", **form):
    file.parent.mkdir(parents=True, exist_ok=True)
    held = pa.binary() if plain else pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    values = images if plain else [image and {"bytes": image, "path": "x, y.jpg"} for image in images]
    table = pa.table(
        {
            column: pa.array(values, held),
            "other": pa.nulls(len(images)),
            "label": pa.array(labels, pa.type_for_alias(kind)),
        }
    )
    if names:
        about = {
            "info": {
                "features": {column: {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
            }
        }
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
    pq.write_table(table, file, **form)


@pytest.fixture
def built(tmp_path):
    def build(split="train", root=tmp_path / "data set", **options):
        options = {"cache": str(tmp_path / "cache"), **options}
        return parquet.build(Parquet(root=str(root), **options), split)

    return build


@pytest.fixture
def files(tmp_path, encoded):
    for number in range(3):
        mine = range(10 * number, 10 * number + 10)
        put(tmp_path / f"data set/data/train-{number:05}-of-00003.parquet", [encoded(n) for n in mine],
            [n % 3 for n in mine], row_group_size=4, compression=("zstd", "snappy", "none")[number])  # fmt: skip
    put(
        tmp_path / "data set/data/validation-00000-of-00001.parquet",
        [encoded(n) for n in range(90, 95)],
        [2, 1, 0, 2, 1],
    )
    return tmp_path / "data set/data"


def test_images_are_ranges_of_flat_files_in_the_order_of_rows(built, files, tmp_path, encoded, images_of):
    source = built()
    assert images_of(source) == [encoded(n) for n in range(30)]
    assert source.labels.tolist() == [n % 3 for n in range(30)]
    assert source.classes == tuple(NAMES)
    assert source.root == tmp_path / "cache"
    assert len(source.paths) == 3
    validation = built("validation")
    assert images_of(validation) == [encoded(n) for n in range(90, 95)]
    assert validation.classes == tuple(NAMES)
    assert built("validation", val="") is None
    assert not list((tmp_path / "cache").glob(".*"))


def test_files_are_unpacked_once_and_anew_when_they_changed(built, files, tmp_path, encoded, images_of):
    built()
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()}
    assert len(before) == 6
    built()
    assert {file.name: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()} == before
    put(files / "train-00001-of-00003.parquet", [encoded(50)], [1])
    assert images_of(built()) == [encoded(n) for n in [*range(10), 50, *range(20, 30)]]
    assert len(list((tmp_path / "cache").iterdir())) == 8


def test_what_was_cut_short_is_unpacked_again(built, files, tmp_path, encoded, images_of, monkeypatch):
    rows = parquet._rows

    def dies(path, *columns):
        for number, row in enumerate(rows(path, *columns)):
            if number == 5:
                raise KeyboardInterrupt
            yield row

    monkeypatch.setattr(parquet, "_rows", dies)
    with pytest.raises(KeyboardInterrupt):
        built()
    assert list((tmp_path / "cache").iterdir()) == []
    monkeypatch.setattr(parquet, "_rows", rows)
    assert images_of(built()) == [encoded(n) for n in range(30)]
    table = next((tmp_path / "cache").glob("train-00002*.npy"))
    table.unlink()  # killed between the two files
    assert images_of(built()) == [encoded(n) for n in range(30)]
    assert table.is_file()


def test_two_at_once_do_not_disturb_each_other(built, files, encoded, images_of):
    found = []
    threads = [threading.Thread(target=lambda: found.append(images_of(built()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[encoded(n) for n in range(30)]] * 2


@pytest.mark.parametrize("kind", ["int64", "int8", "uint16"])
def test_plain_bytes_and_other_columns_are_read(built, tmp_path, encoded, images_of, kind):
    put(tmp_path / "x/a.parquet", [encoded(n) for n in range(4)], [0, 1, 1, 0], None, "img", plain=True, kind=kind)
    put(tmp_path / "x/b.parquet", [encoded(n) for n in range(4)], [0, 1, 1, 0], None, "img", plain=True, kind=kind)
    options = {"root": tmp_path / "x", "train": "a.parquet", "image_column": "img", "val": "b.parquet"}
    source = built(**options)
    assert images_of(source) == [encoded(n) for n in range(4)]
    assert source.classes == built("validation", **options).classes == ("0", "1")
    (tmp_path / "x/names.txt").write_text("cat\ndog\n")
    assert built(**options, classes="names.txt").classes == ("cat", "dog")


def test_the_cache_is_where_the_environment_says(built, files, tmp_path, monkeypatch):
    monkeypatch.setenv("IMGCLS_CACHE", str(tmp_path / "mine"))
    assert built(cache="").root == tmp_path / "mine/parquet"


def test_other_names_in_validation_are_left_for_the_caller_to_see(built, files, encoded):
    put(files / "validation-00000-of-00001.parquet", [encoded(0)], [0], ["other"])
    assert built("validation").classes == ("other",)


def refused(built, tmp_path, message, images, labels, **form):
    put(tmp_path / "x/a.parquet", images, labels, **form)
    with pytest.raises(UserError, match=message) as caught:
        built(root=tmp_path / "x", train="a.parquet")
    assert str(tmp_path / "x/a.parquet") in str(caught.value) or "cache" in str(caught.value)
    assert not (tmp_path / "cache").exists() or list((tmp_path / "cache").glob("*.npy")) == []


def test_rows_and_columns_that_are_wrong_are_named(built, tmp_path, encoded):
    good = [encoded(n) for n in range(400)]
    refused(
        built, tmp_path, "a.parquet: row 300 has no image in 'image'", [*good[:300], None, *good[301:]], [0] * 400
    )
    refused(built, tmp_path, "a.parquet: row 2 has no label in 'label'", good[:3], [0, 1, None])
    refused(
        built,
        tmp_path,
        "no column 'image', only img, other, label; set data.image_column",
        good[:1],
        [0],
        column="img",
    )
    refused(built, tmp_path, "'label' holds double, expected integers", good[:1], [0.5], kind="double")
    refused(built, tmp_path, "'label' holds string", good[:1], ["cat"], kind="string")


def test_labels_outside_the_names_are_named(built, tmp_path, encoded):
    put(tmp_path / "x/a.parquet", [encoded(0), encoded(1)], [0, -1])
    with pytest.raises(UserError, match=r"sample 1 has the label -1, which is not in 0..2"):
        built(root=tmp_path / "x", train="a.parquet")
    put(tmp_path / "x/a.parquet", [encoded(0), encoded(1)], [0, -1], names=None)
    with pytest.raises(UserError, match="there are labels below 0"):
        built(root=tmp_path / "x", train="a.parquet")


def test_images_that_are_only_paths_are_refused(built, tmp_path):
    (tmp_path / "x").mkdir()
    pq.write_table(pa.table({"image": ["a.jpg"], "label": [0]}), tmp_path / "x/a.parquet")
    with pytest.raises(UserError, match="'image' holds string, not bytes or a struct with 'bytes'"):
        built(root=tmp_path / "x", train="a.parquet")


def test_damaged_files_are_refused_by_name(built, tmp_path, encoded):
    put(tmp_path / "x/a.parquet", [encoded(n) for n in range(50)], [n % 3 for n in range(50)])
    whole = (tmp_path / "x/a.parquet").read_bytes()
    for data in (b"", b"PAR1", whole[: len(whole) // 2], whole[:-1], whole[:4] + bytes(2000) + whole[2004:]):
        (tmp_path / "x/a.parquet").write_bytes(data)
        with pytest.raises(UserError, match=r"a.parquet: cannot be read as Parquet"):
            built(root=tmp_path / "x", train="a.parquet")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_is_said(built, files, tmp_path):
    (tmp_path / "cache").mkdir(mode=0o500)
    with pytest.raises(UserError, match=r"cache: cannot unpack into it: .*data.cache"):
        built()


def test_a_cache_that_is_a_file_is_said(built, files, tmp_path):
    (tmp_path / "cache").touch()
    with pytest.raises(UserError, match=r"cache: cannot unpack into it: .*data.cache"):
        built()


def test_missing_files_are_said(built, tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(UserError, match=r"there is no shard 'data/train-\*.parquet'"):
        built(root=tmp_path / "x")
