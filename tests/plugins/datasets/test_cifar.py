"""CIFAR in both versions, unpacked and packed: the same images, and clear words for what is missing."""

import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from imgcls import UserError
from imgcls_datasets import cifar
from imgcls_datasets.cifar_names import CIFAR10, COARSE, FINE
from imgcls_datasets.options import Cifar10, Cifar100

PER_FILE = 4


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(cifar, "IMAGES", {"train": 5 * PER_FILE, "validation": PER_FILE})


def images(n, start=0):
    """RGB images and labels that tell planes, rows and columns apart."""
    pixels = np.random.default_rng(start).integers(0, 256, (n, 32, 32, 3)).astype(np.uint8)
    pixels[..., 0] //= 4  # red is dark
    return pixels, np.arange(start, start + n)


def planar(pixels):
    return pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)


def binary(pixels, *labels):
    return np.column_stack([*labels, planar(pixels)]).astype(np.uint8).tobytes()


def cifar10_files(version):
    batches = {f"data_batch_{n}": images(PER_FILE, n) for n in range(1, 6)} | {"test_batch": images(PER_FILE, 6)}
    if version == "binary":
        made = {f"{name}.bin": binary(pixels, labels % 10) for name, (pixels, labels) in batches.items()}
        return made | {"batches.meta.txt": ("\n".join(CIFAR10) + "\n\n").encode(), "readme.html": b"<html>"}
    made = {
        name: pickle.dumps({b"batch_label": b"x", b"data": planar(pixels), b"labels": (labels % 10).tolist(),
                            b"filenames": ["a.png"] * PER_FILE}, 2)
        for name, (pixels, labels) in batches.items()
    }  # fmt: skip
    return made | {"batches.meta": pickle.dumps({"label_names": list(CIFAR10), "num_vis": 3072}, 2)}


def cifar100_files(version):
    splits = {"train": images(5 * PER_FILE, 40), "test": images(PER_FILE, 80)}
    if version == "binary":
        made = {f"{n}.bin": binary(pixels, labels % 20, labels % 100) for n, (pixels, labels) in splits.items()}
        return made | {
            "fine_label_names.txt": "\n".join(FINE).encode(),
            "coarse_label_names.txt": "\n".join(COARSE).encode(),
        }
    made = {
        n: pickle.dumps({"data": planar(pixels), "fine_labels": (labels % 100).tolist(),
                         "coarse_labels": (labels % 20).tolist()}, 2)
        for n, (pixels, labels) in splits.items()
    }  # fmt: skip
    names = {"fine_label_names": list(FINE), "coarse_label_names": list(COARSE)}
    return made | {"meta": pickle.dumps(names, 2)}


FOLDER = {
    (10, "binary"): "cifar-10-batches-bin", (10, "python"): "cifar-10-batches-py",
    (100, "binary"): "cifar-100-binary", (100, "python"): "cifar-100-python",
}  # fmt: skip


def put(folder, files):
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def pack(target, folder, files):
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target


def same(source, expected):
    pixels, labels = expected
    assert np.array_equal(source.pixels, pixels)
    assert np.array_equal(source.labels, labels)


@pytest.mark.parametrize("where", ["in it", "above it", "archive", "archive's folder", "beside the archive"])
@pytest.mark.parametrize("version", ["binary", "python"])
def test_cifar10_is_found_in_each_version_and_place(tmp_path, version, where):
    files, name = cifar10_files(version), FOLDER[10, version]
    if where in ("in it", "above it"):
        root = put(tmp_path / name, files) if where == "in it" else put(tmp_path / "x" / name, files).parent
    else:
        archive = pack(tmp_path / f"cifar-10-{version}.tar.gz", name, files)
        root = {"archive": archive, "archive's folder": tmp_path, "beside the archive": tmp_path / name}[where]
    parts = [images(PER_FILE, n) for n in range(1, 6)]
    train = np.concatenate([p for p, _ in parts]), np.concatenate([labels % 10 for _, labels in parts])
    found = cifar.cifar10(Cifar10(root=str(root)), "train")
    same(found, train)
    assert found.classes == CIFAR10
    pixels, labels = images(PER_FILE, 6)
    same(cifar.cifar10(Cifar10(root=str(root)), "validation"), (pixels, labels % 10))


@pytest.mark.parametrize(("labels", "classes"), [("fine", FINE), ("coarse", COARSE)])
@pytest.mark.parametrize("version", ["binary", "python"])
@pytest.mark.parametrize("packed", [False, True])
def test_cifar100_has_fine_and_coarse_labels(tmp_path, version, packed, labels, classes):
    files, name = cifar100_files(version), FOLDER[100, version]
    _ = pack(tmp_path / f"cifar-100-{version}.tar.gz", name, files) if packed else put(tmp_path / name, files)
    for split, n, start in (("train", 5 * PER_FILE, 40), ("validation", PER_FILE, 80)):
        source = cifar.cifar100(Cifar100(root=str(tmp_path), labels=labels), split)
        pixels, numbers = images(n, start)
        same(source, (pixels, numbers % len(classes)))
        assert source.classes == classes


@pytest.mark.parametrize(("version", "name"), [("binary", "batches.meta.txt"), ("python", "batches.meta")])
def test_without_the_file_of_names_the_built_in_ones_are_taken(tmp_path, version, name):
    files = cifar10_files(version)
    del files[name]
    put(tmp_path / "c", {**files})
    assert cifar.cifar10(Cifar10(root=str(tmp_path / "c")), "train").classes == CIFAR10


def test_names_in_the_files_are_the_ones_that_count(tmp_path):
    names = [f"class{n}" for n in range(10)]
    put(tmp_path / "c", cifar10_files("binary") | {"batches.meta.txt": "\n".join(names).encode()})
    assert cifar.cifar10(Cifar10(root=str(tmp_path / "c")), "train").classes == tuple(names)


def test_nothing_there_says_where_to_get_it(tmp_path):
    with pytest.raises(UserError) as caught:
        cifar.cifar10(Cifar10(root=str(tmp_path / "none")), "train")
    for part in (
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "cifar-10-binary.tar.gz",
        str(tmp_path / "none"),
        "data.root",
    ):
        assert part in str(caught.value)


DAMAGED = [
    ({"data_batch_3.bin": None}, r"holds no data_batch_3.bin; get cifar-10-binary.tar.gz again"),
    ({"data_batch_2.bin": b"x" * 5000}, r"data_batch_2.bin: is damaged: 5000 bytes are no whole number of records of 3073"),
    ({"data_batch_2.bin": bytes(3073 * 3)}, "data_batch_2.bin: holds 3 images, expected 4"),
    ({"data_batch_2.bin": b""}, "data_batch_2.bin: holds 0 images, expected 4"),
    ({"data_batch_5.bin": bytes(3073) + b"\x0a" * 3073 * 3}, r"data_batch_5.bin: is damaged: image 1 has the label 10, which is not in 0..9"),
    ({"batches.meta.txt": b"a\nb\n"}, "batches.meta.txt: 2 class names, expected 10"),
    ({"batches.meta.txt": b"\xff" * 9}, "batches.meta.txt: is no list of class names"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), DAMAGED)
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_binary_files_are_refused_by_name(tmp_path, change, message, packed):
    files = {name: data for name, data in (cifar10_files("binary") | change).items() if data is not None}
    name = FOLDER[10, "binary"]
    _ = pack(tmp_path / "cifar-10-binary.tar.gz", name, files) if packed else put(tmp_path / name, files)
    with pytest.raises(UserError, match=message):
        cifar.cifar10(Cifar10(root=str(tmp_path)), "train")


def batch(**change):
    pixels, labels = images(PER_FILE)
    return pickle.dumps({"data": planar(pixels), "labels": labels.tolist()} | change, 2)


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/imgcls_was_here",)


@pytest.mark.parametrize(("data", "message"), [
    (pickle.dumps({"data": Evil()}, 2), "data_batch_2: is refused: it asks for posix.system"),
    (pickle.dumps([1], 2), "data_batch_2: holds a list where a dict was expected"),
    (batch(data=1), "data_batch_2: holds no array 'data' of 3072 bytes"),
    (batch(data=np.zeros((4, 3072))), "data_batch_2: holds no array 'data'"),
    (batch(labels=["cat"] * 4), "data_batch_2: holds no list of integers 'labels'"),
    (batch(labels=[1]), "data_batch_2: is damaged: 4 images, but 1 labels"),
    (batch(labels=[1, 2, 3, -1]), r"data_batch_2: is damaged: image 3 has the label -1"),
    (b"hello", "data_batch_2: is "),
])  # fmt: skip
def test_damaged_pickles_are_refused_by_name(tmp_path, data, message):
    put(tmp_path / "c", cifar10_files("python") | {"data_batch_2": data})
    with pytest.raises(UserError, match=message):
        cifar.cifar10(Cifar10(root=str(tmp_path / "c")), "train")


def test_a_damaged_archive_is_refused_by_name(tmp_path):
    archive = pack(tmp_path / "cifar-10-binary.tar.gz", FOLDER[10, "binary"], cifar10_files("binary"))
    whole = archive.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 10):
        archive.write_bytes(whole[:cut])
        with pytest.raises(UserError, match="cifar-10-binary.tar.gz: (cannot be read: .*again|holds no)"):
            cifar.cifar10(Cifar10(root=str(tmp_path)), "train")
