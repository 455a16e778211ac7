"""Tar shards of samples: https://github.com/webdataset/webdataset, section "The WebDataset Format".

Only headers and labels are read; an image is a range of bytes of its shard, so that an epoch can visit all samples
in any order: no shuffle buffer.
"""

import json
import tarfile
from functools import lru_cache, partial
from pathlib import Path
from typing import IO

import numpy as np

from imgcls import Source, UserError
from imgcls_datasets import shards
from imgcls_datasets.options import WebDataset
from imgcls_datasets.remote import local
from imgcls_datasets.shards import Samples, Shard

_IMAGES = frozenset({"jpg", "jpeg", "png", "webp"})
_BLOCK = 512


def build(options: WebDataset, split: str) -> Source | None:
    """The samples of a split, in the order of shards and members.

    Raises:
        UserError: shards are missing or damaged, a sample has no image or no label; the shard is named.
    """
    root = local(options.root)
    found = shards.find(root, options.train, "train")
    samples = _index(root, found, options.label, options.json_key)
    names = shards.names(root, options.classes, samples, f"{root}: {options.train}")
    if split != "train":
        if not options.val:
            return None
        found = shards.find(root, options.val, "val")
        samples = _index(root, found, options.label, options.json_key)
    return shards.source(root, found, samples, names)


@lru_cache(maxsize=2)  # both splits are asked for, and validation needs the classes of training
def _index(root: Path, found: tuple[Shard, ...], label: str, json_key: str) -> list[Samples]:
    return shards.index(root, found, partial(read, label=label, json_key=json_key))


def read(path: Path, label: str = "cls", json_key: str = "label") -> Samples:
    """Return the samples of a shard.

    Args:
        path: a tar archive, not compressed.
        label: ending of the file with a sample's label: "cls" (an integer) or "json" (an object).
        json_key: where in the object the label is.

    Raises:
        UserError: it is damaged, or a sample has no image, two, or no label.
    """
    images: dict[str, tuple[int, int]] = {}
    labels: dict[str, int] = {}
    endings: dict[str, list[str]] = {}
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                key, ending = _parts(member.name)
                if not (member.isreg() and key and ending):
                    continue
                endings.setdefault(key, []).append(ending)
                if ending in _IMAGES:
                    if key in images:
                        raise UserError(f"{path}: the sample '{key}' has two images or comes twice")
                    if member.issparse():
                        raise UserError(f"{path}: '{member.name}' is a sparse file; write the shard anew")
                    images[key] = member.offset_data, member.size
                elif ending == label:
                    content = archive.extractfile(member)
                    assert content is not None  # it is a regular file
                    labels[key] = _label(content.read(), f"{path}: {member.name}", label, json_key)
            _at_end(file, archive.offset, path)
    except (OSError, tarfile.TarError) as error:
        raise UserError(f"{path}: cannot be read as a tar archive: {error}{_compressed(path)}") from None
    for key, found in endings.items():
        if key not in images and key in labels:
            raise UserError(f"{path}: the sample '{key}' has no image, only .{', .'.join(found)}")
        if key in images and key not in labels:
            raise UserError(
                f"{path}: the sample '{key}' has no .{label}, only .{', .'.join(found)}; set data.label"
            )
    places = np.array(list(images.values()), np.int64).reshape(-1, 2)
    return Samples(places, np.array([labels[key] for key in images], np.int64))


def _parts(name: str) -> tuple[str, str]:
    """Return a sample's key and the ending: all after the first dot of the name, as webdataset does it.

    Both are empty for names that begin with a dot, which archivers leave behind.
    """
    folder, _, base = name.rpartition("/")
    stem, _, ending = base.partition(".")
    if not stem:
        return "", ""
    return f"{folder}/{stem}" if folder else stem, ending.lower()


def _label(content: bytes, where: str, kind: str, key: str) -> int:
    try:
        if kind == "cls":
            return int(content.decode("ascii"))
        found = json.loads(content)[key]
        if type(found) is not int:
            raise ValueError(f"'{key}' is {json.dumps(found)}")
        return found
    except (ValueError, KeyError, TypeError) as error:
        what = f"no key {error}" if isinstance(error, KeyError) else error
        raise UserError(f"{where}: holds no integer label: {what}") from None


def _at_end(file: IO[bytes], offset: int, path: Path) -> None:
    """Check that reading stopped at the archive's end: ``tarfile`` also stops where a header is damaged."""
    file.seek(offset)
    block = file.read(_BLOCK)
    if block != bytes(_BLOCK):
        what = "it was cut off, or never finished" if not block else "a header is damaged"
        raise UserError(f"{path}: is damaged at byte {offset}: {what}; get or write it anew")


def _compressed(path: Path) -> str:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError:
        return ""
    packed = magic[:2] == b"\x1f\x8b" or magic in (b"BZh9", b"\xfd7zX", b"\x28\xb5\x2f\xfd")
    return "; it is compressed: unpack it to .tar, because images are read at their places in it" if packed else ""
