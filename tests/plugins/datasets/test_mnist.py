"""MNIST from its four files, under each of the names they go by."""

import gzip
import struct

import numpy as np
import pytest

from imgcls import UserError
from imgcls_datasets import mnist
from imgcls_datasets.options import Mnist


def as_idx(array):
    array = np.asarray(array, np.uint8)
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def put(folder, rename=str):
    folder.mkdir(parents=True)
    for prefix, n in (("train", 20), ("t10k", 10)):
        pixels = np.random.default_rng(n).integers(0, 256, (n, 28, 28))
        for name, array in (
            (f"{prefix}-images-idx3-ubyte", pixels),
            (f"{prefix}-labels-idx1-ubyte", np.arange(n) % 10),
        ):
            data = as_idx(array)
            name = rename(name)
            (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


@pytest.mark.parametrize("below", [".", "raw", "MNIST/raw"])
@pytest.mark.parametrize("rename", [str, lambda n: f"{n}.gz", lambda n: n.replace("-idx", ".idx"),
                                    lambda n: n.replace("-idx", ".idx") + ".gz"])  # fmt: skip
def test_the_files_are_found_under_each_of_their_names(tmp_path, rename, below):
    put(tmp_path / "root" / below, rename)
    train, validation = (mnist.build(Mnist(root=str(tmp_path / "root")), s) for s in ("train", "validation"))
    assert np.array_equal(train.pixels[..., 0], np.random.default_rng(20).integers(0, 256, (20, 28, 28)))
    assert train.labels.tolist() == [*range(10), *range(10)]
    assert validation.pixels.shape == (10, 28, 28, 1)
    assert train.classes == validation.classes == tuple("0123456789")


def test_what_is_missing_is_named_with_where_to_get_it(tmp_path):
    put(tmp_path / "root")
    (tmp_path / "root/t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(
        UserError, match=r"root lacks t10k-labels-idx1-ubyte \(each may end in .gz\); get them from http"
    ):
        mnist.build(Mnist(root=str(tmp_path / "root")), "train")


def test_labels_that_do_not_go_with_the_images_are_refused(tmp_path):
    put(tmp_path / "root")
    (tmp_path / "root/train-labels-idx1-ubyte").write_bytes(as_idx(np.arange(19) % 10))
    with pytest.raises(UserError, match="train-images and train-labels do not go together"):
        mnist.build(Mnist(root=str(tmp_path / "root")), "train")
