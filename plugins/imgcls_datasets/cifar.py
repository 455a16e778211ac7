"""CIFAR-10 and CIFAR-100: Krizhevsky, 2009, Learning Multiple Layers of Features from Tiny Images.

The binary version has records of the labels' bytes and 3,072 bytes of a 32x32 image, red, then green, then blue:
https://www.cs.toronto.edu/~kriz/cifar.html. The version for Python holds the same as pickles.
"""

import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcls import Source, UserError, restricted_pickle
from imgcls_datasets.cifar_names import CIFAR10, COARSE, FINE
from imgcls_datasets.options import Cifar10, Cifar100

_PIXELS = 3 * 32 * 32
IMAGES = {"train": 50_000, "validation": 10_000}
PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"


@dataclass(frozen=True)
class _Version:
    """One of the publisher's downloads.

    Attributes:
        folder: what is in the archive.
        archive: the download.
        splits: the files of each split.
        names: the file of class names.
        columns: of the labels: the number of the byte in a record, or the key in a pickle.
        record: labels' bytes in a record; 0 for pickles.
    """

    folder: str
    archive: str
    splits: Mapping[str, tuple[str, ...]]
    names: str
    column: int | str
    record: int


def cifar10(options: Cifar10, split: str) -> Source:
    """32x32 colour images of 10 classes: 50,000 for training, 10,000 for validation.

    Raises:
        UserError: the files are not there, or are damaged.
    """
    train = tuple(f"data_batch_{number}" for number in range(1, 6))
    versions = (
        _Version(
            "cifar-10-batches-bin",
            "cifar-10-binary.tar.gz",
            {"train": tuple(f"{name}.bin" for name in train), "validation": ("test_batch.bin",)},
            "batches.meta.txt",
            0,
            1,
        ),
        _Version(
            "cifar-10-batches-py",
            "cifar-10-python.tar.gz",
            {"train": train, "validation": ("test_batch",)},
            "batches.meta",
            "labels",
            0,
        ),
    )
    return _source("cifar10", options.root, versions, split, "label_names", CIFAR10)


def cifar100(options: Cifar100, split: str) -> Source:
    """32x32 colour images of 100 classes, or 20 coarse ones: 50,000 for training, 10,000 for validation.

    Raises:
        UserError: the files are not there, or are damaged.
    """
    fine = options.labels == "fine"
    versions = (
        _Version(
            "cifar-100-binary",
            "cifar-100-binary.tar.gz",
            {"train": ("train.bin",), "validation": ("test.bin",)},
            f"{options.labels}_label_names.txt",
            int(fine),
            2,
        ),
        _Version(
            "cifar-100-python",
            "cifar-100-python.tar.gz",
            {"train": ("train",), "validation": ("test",)},
            "meta",
            f"{options.labels}_labels",
            0,
        ),
    )
    names = FINE if fine else COARSE
    return _source("cifar100", options.root, versions, split, f"{options.labels}_label_names", names)


def _source(
    dataset: str, root: str, versions: Sequence[_Version], split: str, names_key: str, built_in: tuple[str, ...]
) -> Source:
    version, place = _find(dataset, Path(root).expanduser(), versions)
    files = version.splits[split]
    found = _read(place, (*files, version.names))
    missing = [name for name in files if name not in found]
    if missing:
        raise UserError(f"{place}: holds no {', '.join(missing)}; get {version.archive} again from {PAGE}")
    parts = []
    for name in files:
        where = f"{place}: {name}"
        if version.record:
            parts.append(_records(found[name], where, version))
        else:
            parts.append(_pickled(found[name], where, version))
        _whole(parts[-1][1], where, IMAGES[split] // len(files), len(built_in), version)
    classes: Sequence[str] = built_in
    if version.names in found:
        classes = _names(found[version.names], f"{place}: {version.names}", version, names_key)
        if len(classes) != len(built_in):
            raise UserError(f"{place}: {version.names}: {len(classes)} class names, expected {len(built_in)}")
    planes = np.concatenate([pixels for pixels, _ in parts]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([labels for _, labels in parts])
    return Source.from_pixels(planes.transpose(0, 2, 3, 1), labels, classes)


def _find(dataset: str, root: Path, versions: Sequence[_Version]) -> tuple[_Version, Path]:
    """Return the first version that is there, and its folder or archive."""
    for version in versions:
        first = version.splits["train"][0]
        for folder in (root, root / version.folder):
            if (folder / first).is_file():
                return version, folder
    for version in versions:
        for archive in (root, root / version.archive, root.parent / version.archive):
            if archive.name == version.archive and archive.is_file():
                return version, archive
    folders = " or ".join(version.folder for version in versions)
    archives = " or ".join(version.archive for version in versions)
    raise UserError(
        f"data {dataset}: there is no {folders} in {root}, and no {archives} there or beside it; "
        f"get one of the archives from {PAGE} and set data.root to the folder that you put it in"
    )


def _read(place: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Return the files of these names that a folder or an archive holds."""
    try:
        if place.is_dir():
            return {name: (place / name).read_bytes() for name in names if (place / name).is_file()}
        found = {}
        with tarfile.open(place, "r:gz") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                content = archive.extractfile(member) if name in names and member.isreg() else None
                if content is not None:
                    found[name] = content.read()
            while archive.fileobj is not None and archive.fileobj.read(1 << 20):
                pass  # only at its end is the checksum of a gzip file compared
        return found
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise UserError(f"{place}: cannot be read: {error}; get it again from {PAGE}") from None


def _records(data: bytes, where: str, version: _Version) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    size = version.record + _PIXELS
    if len(data) % size:
        raise UserError(
            f"{where}: is damaged: {len(data)} bytes are no whole number of records of {size} bytes; "
            f"get {version.archive} again from {PAGE}"
        )
    table = np.frombuffer(data, np.uint8).reshape(-1, size)
    return table[:, version.record :], table[:, int(version.column)].astype(np.int64)


def _pickled(data: bytes, where: str, version: _Version) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    batch = _mapping(data, where)
    pixels, labels = batch.get("data"), batch.get(str(version.column))
    if not (isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.shape[1:] == (_PIXELS,)):
        raise UserError(f"{where}: holds no array 'data' of {_PIXELS} bytes an image")
    if not (isinstance(labels, list) and all(type(label) is int for label in labels)):
        raise UserError(f"{where}: holds no list of integers '{version.column}'")
    if len(labels) != len(pixels):
        raise UserError(f"{where}: is damaged: {len(pixels)} images, but {len(labels)} labels")
    return pixels, np.array(labels, np.int64)


def _mapping(data: bytes, where: str) -> dict[str, Any]:
    found = restricted_pickle.loads(data, where)
    if not isinstance(found, dict):
        raise UserError(f"{where}: holds a {type(found).__name__} where a dict was expected")
    return {key.decode("latin-1") if isinstance(key, bytes) else str(key): value for key, value in found.items()}


def _whole(labels: NDArray[np.int64], where: str, images: int, classes: int, version: _Version) -> None:
    again = f"get {version.archive} again from {PAGE}"
    if len(labels) != images:
        raise UserError(f"{where}: holds {len(labels)} images, expected {images}; {again}")
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(outside):
        first = int(outside[0])
        raise UserError(
            f"{where}: is damaged: image {first} has the label {labels[first]}, which is not in "
            f"0..{classes - 1}; {again}"
        )


def _names(data: bytes, where: str, version: _Version, key: str) -> list[str]:
    if not version.record:
        names = _mapping(data, where).get(key)
        if not isinstance(names, list):
            raise UserError(f"{where}: holds no list '{key}'")
        return [name.decode("latin-1") if isinstance(name, bytes) else str(name) for name in names]
    try:
        return data.decode("utf-8").split()
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: is no list of class names: {error}") from None
