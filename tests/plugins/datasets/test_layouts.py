"""The same pictures in every layout: one index of sizes, labels and bytes, and a run that trains on them."""

import csv
import io
import json
import struct
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from imgcls.component import load
from imgcls.data import index
from imgcls_datasets import crc32c, imgcls_datasets

COUNT, CLASSES = 24, 3


def as_folder(root, pictures, split):
    for n, data in enumerate(pictures):
        place = root / split / str(n % CLASSES)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{n:03} ü, x.jpg").write_bytes(data)


def as_csv(root, pictures, split):
    as_folder(root, pictures, split)
    new = not (root / "all.csv").exists()
    with (root / "all.csv").open("a", newline="") as file:
        rows = [(f"{split}/{n % CLASSES}/{n:03} ü, x.jpg", n % CLASSES, split) for n in range(len(pictures))]
        csv.writer(file).writerows([("path", "label", "split"), *rows] if new else rows)


def as_list(root, pictures, split):
    as_folder(root, pictures, split)
    lines = [f"{split}/{n % CLASSES}/{n:03} ü, x.jpg {n % CLASSES}\n" for n in range(len(pictures))]
    (root / f"{split}_list.txt").write_text("".join(lines))


def as_tar(root, pictures, split):
    root.mkdir(exist_ok=True)
    for shard in range(2):
        with tarfile.open(root / f"{split}-{shard}.tar", "w") as archive:
            for n in range(shard, len(pictures), 2):
                for ending, data in (("jpg", pictures[n]), ("cls", str(n % CLASSES).encode())):
                    info = tarfile.TarInfo(f"{n:03} ü.{ending}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))


def as_records(root, pictures, split):
    def field(number, data):
        size = bytes([len(data) & 127 | 128, len(data) >> 7 & 127 | 128, len(data) >> 14])
        return bytes([number << 3 | 2]) + size + data

    root.mkdir(exist_ok=True)
    with (root / f"{split}-0").open("wb") as file:
        for n, data in enumerate(pictures):
            kinds = {
                b"image/encoded": field(1, field(1, data)),
                b"image/class/label": field(3, field(1, bytes([n % CLASSES]))),
            }
            message = field(1, b"".join(field(1, field(1, key) + field(2, value)) for key, value in kinds.items()))
            length = struct.pack("<Q", len(message))
            file.write(length + struct.pack("<I", crc32c.masked(length)) + message + bytes(4))


def as_parquet(root, pictures, split):
    root.mkdir(exist_ok=True)
    rows = [{"bytes": data, "path": f"{n}.jpg"} for n, data in enumerate(pictures)]
    pq.write_table(
        pa.table({"image": rows, "label": [n % CLASSES for n in range(len(rows))]}), root / f"{split}-0.parquet"
    )


LAYOUTS = {
    "image_folder": (as_folder, {}), "csv_file": (as_csv, {"file": "all.csv"}), "list_file": (as_list, {}),
    "webdataset": (as_tar, {"val": "val-*.tar"}), "tfrecord": (as_records, {"val": "val-*"}),
    "parquet": (as_parquet, {"train": "train-*.parquet", "val": "val-*.parquet"}),
}  # fmt: skip


@pytest.fixture(params=LAYOUTS)
def layout(request, tmp_path, encoded, monkeypatch):
    """Name and options of a dataset; below its root are real pictures in that layout."""
    monkeypatch.setenv("IMGCLS_CACHE", str(tmp_path / "cache"))
    write, options = LAYOUTS[request.param]
    for split, start in (("train", 0), ("val", 100)):
        write(tmp_path / "root", [encoded(start + n) for n in range(COUNT)], split)
    return request.param, {"root": str(tmp_path / "root"), **options}


def test_each_layout_gives_the_same_index(layout, tmp_path, encoded):
    name, options = layout
    component = next(one for one in imgcls_datasets() if one.name == name)
    for split, start in (("train", 0), ("validation", 100)):
        source = load(component.build)(component.options(**options), split=split)
        built = index.build(source, tmp_path / "index")
        again = index.Index.load(next((tmp_path / "index").glob("*.parquet")), source.root)
        assert built.classes == again.classes == ("0", "1", "2")
        expected = sorted((encoded(start + n), n % CLASSES) for n in range(COUNT))
        assert sorted((built.read(n), int(label)) for n, label in enumerate(built.labels)) == expected
        for n in range(COUNT):
            assert tuple(built.sizes[n]) == Image.open(io.BytesIO(built.read(n))).size[::-1]
        for one in (tmp_path / "index").iterdir():
            one.unlink()


@pytest.mark.parametrize("layout", ["webdataset", "parquet"], indirect=True)
def test_a_run_trains_on_shards(layout, run_imgcls, write_recipe, tmp_path):
    name, options = layout
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in options.items())
    recipe = write_recipe(
        f'model = "lenet5"\n[data]\nname = "{name}"\n{lines}\n'
        '[optimizer]\nname = "sgd"\nlr = 0.1\n[schedule]\nname = "cosine"\n[train]\nepochs = 1\nbatch_size = 8\n'
    )
    ended = run_imgcls("launch", recipe, "--workers", 0)
    assert ended.returncode == 0, ended.stderr
    assert f"{COUNT} images to train and {COUNT} to validate" in ended.stdout + ended.stderr
    result = json.loads(next(tmp_path.rglob("result.json")).read_text())
    assert result["n"] == COUNT
    assert np.isfinite(result["top1"])


def test_no_option_has_a_name_that_the_core_takes_for_itself():
    from imgcls.recipe.reader import RESERVED

    for component in imgcls_datasets():
        assert not RESERVED["data"] & set(component.options.__dataclass_fields__), component.name
