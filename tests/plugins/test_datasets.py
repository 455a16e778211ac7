"""Datasets find what is there, and say what is not."""

import gzip
import hashlib
import http.server
import os
import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from imgcls import UserError
from imgcls_datasets import digits, fashion_mnist, idx, image_folder, imagenet
from imgcls_datasets.options import Digits, FashionMnist, ImageFolder, ImageNet

# ---- digits -------------------------------------------------------------------------------------------------


def test_digits_are_scikit_learns_scaled_to_bytes():
    from sklearn.datasets import load_digits

    source, theirs = digits.build(Digits(), "train"), load_digits()
    assert source.pixels.shape == (1797, 8, 8, 1)
    assert np.array_equal(source.pixels[..., 0], np.rint(theirs.images * 255 / 16))
    assert source.pixels.max() == 255
    assert np.array_equal(source.labels, theirs.target)
    assert np.bincount(source.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert source.classes == tuple("0123456789")


def test_digits_have_no_validation_split_of_their_own():
    assert digits.build(Digits(), "validation") is None


def test_digits_are_found_where_scikit_learn_hides_its_file(monkeypatch):
    whole = digits.build(Digits(), "train")
    monkeypatch.setattr(Path, "is_file", lambda self: False)
    assert np.array_equal(digits.build(Digits(), "train").pixels, whole.pixels)


# ---- idx ----------------------------------------------------------------------------------------------------


def as_idx(array):
    array = np.asarray(array, np.uint8)
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 28, 28), (0,), (0, 28, 28)])
def test_idx_files_are_read_gzipped_or_not(tmp_path, shape, pack):
    array = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    (tmp_path / "f").write_bytes(pack(as_idx(array)))
    found = idx.read(tmp_path / "f")
    assert found.dtype == np.uint8
    assert np.array_equal(found, array)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_cut_off_anywhere_is_refused_by_name(tmp_path, pack):
    whole = pack(as_idx(np.arange(60).reshape(3, 4, 5)))
    for length in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(UserError, match="cut: "):
            idx.read(tmp_path / "cut")


@pytest.mark.parametrize("data", [
    b"", b"\0", b"\0\0\x08", b"\0\0\x08\x03", b"\0\0\x08\x03\0\0\0\x01", b"\0\0\x0d\x01" + bytes(8),
    b"<html></html>",
    b"\x1f\x8b", b"\x1f\x8bgarbage", gzip.compress(b"hello", mtime=0), as_idx([1, 2, 3]) + b"x",
    b"\0\0\x08\xff" + bytes(1020), b"\0\0\x08\x03" + b"\xff" * 12, b"\0\0\x08\x02" + b"\x80\0\0\0" * 2,
])  # fmt: skip
def test_what_is_no_idx_file_is_refused_by_name(tmp_path, data):
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(UserError, match="bad: "):
        idx.read(tmp_path / "bad")


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match="none: cannot be read"):
        idx.read(tmp_path / "none")


# ---- fashion_mnist ------------------------------------------------------------------------------------------


def contents(mark, n=20):
    """Return the four files; ``mark`` is the first pixel of the first training image."""
    generator = np.random.default_rng(mark)
    made = {}
    for prefix, count in (("train", n), ("t10k", n // 2)):
        images = generator.integers(0, 256, (count, 28, 28))
        images[0, 0, 0] = mark
        made[f"{prefix}-images-idx3-ubyte"] = as_idx(images)
        made[f"{prefix}-labels-idx1-ubyte"] = as_idx(np.arange(count) % 10)
    return made


def put(folder, files, zipped=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(data, mtime=0) if zipped else data)


def mark_of(root, download=True, split="train"):
    source = fashion_mnist.build(FashionMnist(root=str(root), download=download), split)
    assert source.classes == fashion_mnist.CLASSES
    return int(source.pixels[0, 0, 0, 0])


@pytest.fixture
def no_debian(monkeypatch, tmp_path):
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "no-debian-package")


@pytest.fixture
def publisher(monkeypatch, tmp_path, no_debian):
    """A web server on this machine with the files of mark 3, in the publisher's place."""
    folder = tmp_path / "web"
    put(folder, contents(3))
    sums = {name: hashlib.md5((folder / f"{name}.gz").read_bytes()).hexdigest() for name in fashion_mnist.FILES}
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(fashion_mnist, "FILES", sums)
    monkeypatch.setattr(fashion_mnist, "PUBLISHER", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("no_proxy", "*")
    server.asked, server.folder = asked, folder
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("zipped", [True, False])
def test_the_folder_of_the_recipe_comes_first(tmp_path, publisher, monkeypatch, zipped):
    put(tmp_path / "root", contents(1), zipped)
    put(tmp_path / "debian", contents(2))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    assert mark_of(tmp_path / "root") == 1
    assert publisher.asked == []


def test_debians_package_comes_next(tmp_path, publisher, monkeypatch):
    put(tmp_path / "debian", contents(2))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    assert mark_of(tmp_path / "root", download=False) == 2
    assert publisher.asked == []
    assert not (tmp_path / "root").exists()


def test_the_publisher_comes_last_and_is_asked_once(tmp_path, publisher):
    assert mark_of(tmp_path / "deep/er/root") == 3
    assert sorted(publisher.asked) == sorted(f"/{name}.gz" for name in fashion_mnist.FILES)
    assert mark_of(tmp_path / "deep/er/root", split="validation") == 3
    assert len(publisher.asked) == 4
    assert sorted(p.name for p in (tmp_path / "deep/er/root").iterdir()) == sorted(
        f"{name}.gz" for name in fashion_mnist.FILES
    )


def test_only_what_is_missing_is_downloaded(tmp_path, publisher):
    put(tmp_path / "root", contents(1))
    (tmp_path / "root/t10k-labels-idx1-ubyte.gz").unlink()
    assert mark_of(tmp_path / "root") == 1
    assert publisher.asked == ["/t10k-labels-idx1-ubyte.gz"]


def test_a_download_with_another_checksum_is_not_kept(tmp_path, publisher):
    name = "train-images-idx3-ubyte.gz"
    (publisher.folder / name).write_bytes(gzip.compress(b"something else"))
    with pytest.raises(
        UserError, match=f"{name}: MD5 is [0-9a-f]+, the publisher gives [0-9a-f]+; nothing was kept"
    ):
        mark_of(tmp_path / "root")
    assert list((tmp_path / "root").iterdir()) == []


def test_a_file_the_publisher_no_longer_has_is_said_with_what_to_do(tmp_path, publisher):
    (publisher.folder / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError, match="the download failed") as caught:
        mark_of(tmp_path / "root")
    assert "apt-get install dataset-fashion-mnist" in str(caught.value)
    assert str(tmp_path / "root") in str(caught.value)
    assert not list((tmp_path / "root").glob("*.part"))


def test_no_network_is_said_with_what_to_do(tmp_path, no_debian, monkeypatch):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, but not listening
        monkeypatch.setattr(fashion_mnist, "PUBLISHER", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "*")
        with pytest.raises(UserError, match=r"the download failed: .*refused") as caught:
            mark_of(tmp_path / "root")
    assert "set data.root" in str(caught.value)


def test_a_server_that_talks_nonsense_is_said_too(tmp_path, no_debian, monkeypatch):
    listening = socket.create_server(("127.0.0.1", 0))

    def answer():
        connection, _ = listening.accept()
        connection.recv(10_000)
        connection.sendall(b"220 ready for mail\r\n\r\n")
        connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    monkeypatch.setattr(fashion_mnist, "PUBLISHER", f"http://127.0.0.1:{listening.getsockname()[1]}")
    monkeypatch.setenv("no_proxy", "*")
    try:
        with pytest.raises(UserError, match="the download failed"):
            mark_of(tmp_path / "root")
    finally:
        thread.join()
        listening.close()


def test_a_download_that_is_not_wanted_is_not_tried(tmp_path, publisher):
    with pytest.raises(UserError, match="download = false"):
        mark_of(tmp_path / "root", download=False)
    assert publisher.asked == []


def test_a_root_that_cannot_be_made_is_said(tmp_path, publisher):
    (tmp_path / "root").touch()
    with pytest.raises(UserError, match="root"):
        mark_of(tmp_path / "root")


@pytest.mark.parametrize("wrong", [
    {"train-images-idx3-ubyte": as_idx(np.arange(20) % 10)},  # the labels in the images' place
    {"train-labels-idx1-ubyte": as_idx(np.arange(19) % 10)},
    {"train-labels-idx1-ubyte": as_idx(np.arange(20))},
])  # fmt: skip
def test_files_that_are_not_fashion_mnist_are_refused_by_name(tmp_path, no_debian, wrong):
    put(tmp_path / "root", {**contents(1), **wrong})
    with pytest.raises(UserError, match="root"):
        mark_of(tmp_path / "root")


def test_debians_files_have_the_published_sizes_and_sums():
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.is_dir():
        pytest.skip("Debian's dataset-fashion-mnist is not installed")
    train, validation = (fashion_mnist.build(FashionMnist(root="/nowhere"), s) for s in ("train", "validation"))
    assert train.pixels.shape == (60_000, 28, 28, 1)
    assert validation.pixels.shape == (10_000, 28, 28, 1)
    assert np.bincount(train.labels).tolist() == [6000] * 10
    assert np.bincount(validation.labels).tolist() == [1000] * 10


# ---- image_folder -------------------------------------------------------------------------------------------


def tree(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def found(root, split="train"):
    source = image_folder.build(ImageFolder(root=str(root)), split)
    return source and (source.classes, list(zip(source.paths, source.labels.tolist(), strict=True)))


def test_class_folders_are_labels_in_sorted_order(tmp_path):
    tree(tmp_path, "zebra/1.jpg", "ant/2.jpg", "ant/10.jpg", "Bee/x.jpg", "ant/deeper/still/3.png")
    classes, samples = found(tmp_path)
    assert classes == ("Bee", "ant", "zebra")
    assert samples == [("Bee/x.jpg", 0), ("ant/10.jpg", 1), ("ant/2.jpg", 1), ("ant/deeper/still/3.png", 1),
                       ("zebra/1.jpg", 2)]  # fmt: skip
    assert found(tmp_path, "validation") is None


@pytest.mark.parametrize("name", ["val", "validation", "valid", "test"])
def test_train_and_validation_folders_are_told_apart(tmp_path, name):
    tree(tmp_path, "train/a/1.jpg", "train/b/2.jpg", f"{name}/a/3.jpg", f"{name}/b/4.jpg")
    assert found(tmp_path) == (("a", "b"), [("a/1.jpg", 0), ("b/2.jpg", 1)])
    assert found(tmp_path, "validation") == (("a", "b"), [("a/3.jpg", 0), ("b/4.jpg", 1)])
    assert image_folder.build(ImageFolder(root=str(tmp_path)), "validation").root == tmp_path / name


def test_val_is_taken_before_test(tmp_path):
    tree(tmp_path, "train/a/1.jpg", "test/a/t.jpg", "val/a/v.jpg")
    assert found(tmp_path, "validation")[1] == [("a/v.jpg", 0)]


def test_train_alone_has_no_validation(tmp_path):
    tree(tmp_path, "train/a/1.jpg")
    assert found(tmp_path, "validation") is None


def test_hidden_files_other_endings_and_loose_files_are_no_samples(tmp_path):
    tree(tmp_path, "a/1.JPG", "a/.hidden.jpg", "a/._1.jpg", "a/notes.txt", "a/.cache/2.jpg", "a/x.gif",
         "a/noending",          ".git/3.jpg", "loose.jpg", "b/4.JpEg", "b/.jpg")  # fmt: skip
    assert found(tmp_path) == (("a", "b"), [("a/1.JPG", 0), ("b/4.JpEg", 1)])


@pytest.mark.parametrize("ending", sorted(image_folder.ENDINGS))
def test_every_ending_counts_in_both_cases(tmp_path, ending):
    tree(tmp_path, f"a/1{ending}", f"a/2{ending.upper()}")
    assert len(found(tmp_path)[1]) == 2


def test_names_that_are_not_utf8_come_back_as_they_are(tmp_path):
    (tmp_path / "ä b").mkdir()
    (Path(os.fsdecode(bytes(tmp_path / "ä b") + b"/\xe9.jpg"))).touch()
    ((path, _),) = found(tmp_path)[1]
    assert os.fsencode(path) == "ä b/".encode() + b"\xe9.jpg"


def test_links_to_folders_are_followed(tmp_path):
    tree(tmp_path, "elsewhere/1.jpg", "root/b/2.jpg")
    (tmp_path / "root/a").symlink_to(tmp_path / "elsewhere")
    assert found(tmp_path / "root")[1] == [("a/1.jpg", 0), ("b/2.jpg", 1)]


def test_all_classes_without_an_image_are_named(tmp_path):
    tree(tmp_path, "a/1.jpg", "b/notes.txt", "c/2.jpg")
    (tmp_path / "d").mkdir()
    with pytest.raises(UserError) as caught:
        found(tmp_path)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines[:-1]] == [str(tmp_path / "b"), str(tmp_path / "d")]


def test_classes_that_differ_are_shown_from_both_sides(tmp_path):
    tree(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/c/1.jpg")
    with pytest.raises(UserError) as caught:
        found(tmp_path, "validation")
    assert f"only in {tmp_path / 'train'}: b" in str(caught.value)
    assert f"only in {tmp_path / 'val'}: c" in str(caught.value)


def test_no_folder_and_no_class_are_said(tmp_path):
    with pytest.raises(UserError, match=r"there is no folder .*nowhere"):
        found(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no class folders"):
        found(tmp_path)


# ---- imagenet -----------------------------------------------------------------------------------------------


def test_imagenets_layout_is_read(tmp_path):
    tree(tmp_path, "train/n1/a.JPEG", "train/n2/b.JPEG", "val/n1/v.JPEG", "val/n2/w.JPEG")
    for split, expected in (("train", ("n1/a.JPEG", "n2/b.JPEG")), ("validation", ("n1/v.JPEG", "n2/w.JPEG"))):
        source = imagenet.build(ImageNet(root=str(tmp_path), classes=2), split)
        assert source.paths == expected
        assert source.labels.tolist() == [0, 1]


@pytest.mark.parametrize("missing", ["train", "val"])
def test_a_missing_split_shows_the_layout(tmp_path, missing):
    tree(tmp_path, f"{ {'train': 'val', 'val': 'train'}[missing] }/n1/a.JPEG")
    with pytest.raises(UserError, match=f"no folder {tmp_path / missing}") as caught:
        imagenet.build(ImageNet(root=str(tmp_path), classes=1), "train")
    assert f"{tmp_path}/val/n01440764/" in str(caught.value)


def test_another_number_of_classes_is_said(tmp_path):
    tree(tmp_path, "train/n1/a.JPEG", "val/n1/v.JPEG")
    with pytest.raises(UserError, match="has 1 class folders, expected 1000"):
        imagenet.build(ImageNet(root=str(tmp_path)), "train")


@pytest.mark.parametrize("split", ["train", "validation"])
def test_classes_of_imagenets_splits_must_agree(tmp_path, split):
    tree(tmp_path, "train/n1/a.JPEG", "val/n2/v.JPEG")
    with pytest.raises(UserError, match="differ"):
        imagenet.build(ImageNet(root=str(tmp_path), classes=1), split)
