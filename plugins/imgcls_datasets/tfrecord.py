"""TFRecord shards of tf.train.Example: https://www.tensorflow.org/tutorials/load_data/tfrecord.

A record is the length (uint64), the masked CRC-32C of it, the data, and the data's masked CRC-32C. The data is a
Protocol Buffers message, of which only the fields' places are read: the images' bytes stay where they are.
"""

import mmap
import struct
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from imgcls import Source, UserError
from imgcls_datasets import crc32c, shards
from imgcls_datasets.options import TfRecord
from imgcls_datasets.shards import Samples, Shard

_HEAD = struct.Struct("<QI")
_FOOT = 4
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
# field numbers in tensorflow/core/example/feature.proto
_FEATURES, _FEATURE, _KEY, _VALUE = 1, 1, 1, 2
_BYTES_LIST, _INT64_LIST, _LIST = 1, 3, 1


class _Field(NamedTuple):
    """A field of a message: its number, wire type, and where its content is; an integer's is also read."""

    number: int
    wire: int
    start: int
    stop: int
    value: int


def build(options: TfRecord, split: str) -> Source | None:
    """The samples of a split, in the order of shards and records.

    Raises:
        UserError: shards are missing or damaged, a record has no image or no label; shard and record are named.
    """
    root = Path(options.root).expanduser()
    keys = options.image_key, options.label_key, options.first_label
    found = shards.find(root, options.train, "train")
    samples = _index(root, found, *keys)
    names = shards.names(root, options.classes, samples, f"{root}: {options.train}")
    if split != "train":
        if not options.val:
            return None
        found = shards.find(root, options.val, "val")
        samples = _index(root, found, *keys)
    return shards.source(root, found, samples, names)


@lru_cache(maxsize=2)  # both splits are asked for, and validation needs the classes of training
def _index(
    root: Path, found: tuple[Shard, ...], image_key: str, label_key: str, first_label: int
) -> list[Samples]:
    samples = shards.index(root, found, partial(read, image_key=image_key, label_key=label_key))
    return [Samples(some.places, some.labels - first_label) for some in samples]


def read(path: Path, image_key: str = "image/encoded", label_key: str = "image/class/label") -> Samples:
    """Return the samples of a shard.

    Raises:
        UserError: it is damaged, or a record has not one image and one label.
    """
    places, labels = [], []
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                return Samples(np.empty((0, 2), np.int64), np.empty(0, np.int64))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                for number, (start, stop) in enumerate(_records(data, path)):
                    try:
                        place, label = _example(data, start, stop, image_key.encode(), label_key.encode())
                    except ValueError as error:
                        raise UserError(f"{path}: record {number}, at byte {start}: {error}") from None
                    places.append(place)
                    labels.append(label)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    return Samples(np.array(places, np.int64).reshape(-1, 2), np.array(labels, np.int64))


def _records(data: mmap.mmap, path: Path) -> Iterator[tuple[int, int]]:
    """Yield where each record's data starts and stops."""
    at, end = 0, len(data)
    while at < end:
        if end - at < _HEAD.size:
            raise UserError(f"{path}: was cut off at byte {end}, in the head of a record; get or write it anew")
        length, checksum = _HEAD.unpack_from(data, at)
        if crc32c.masked(data[at : at + 8]) != checksum:
            what = "is no TFRecord file" if at == 0 else f"is damaged at byte {at}"
            packed = "; it is compressed: unpack it" if data[:2] == b"\x1f\x8b" else ""
            raise UserError(f"{path}: {what}: the checksum of a record's length is another{packed}")
        start, stop = at + _HEAD.size, at + _HEAD.size + length
        if stop + _FOOT > end:
            raise UserError(
                f"{path}: was cut off at byte {end}: a record reaches to byte {stop + _FOOT}; get or write it anew"
            )
        yield start, stop
        at = stop + _FOOT


def _example(
    data: mmap.mmap, start: int, stop: int, image_key: bytes, label_key: bytes
) -> tuple[tuple[int, int], int]:
    """Return the image's first byte and how many, and the label."""
    found: dict[bytes, _Field | None] = {}
    for features in _fields(data, start, stop):
        if features.number != _FEATURES:
            continue
        for entry in _fields(data, features.start, features.stop):
            key, value = b"", None
            for part in _fields(data, entry.start, entry.stop) if entry.number == _FEATURE else ():
                if part.number == _KEY:
                    key = data[part.start : part.stop]
                elif part.number == _VALUE:
                    value = part
            found[key] = value
    for wanted in (image_key, label_key):
        if found.get(wanted) is None:
            keys = ", ".join(sorted(key.decode("utf-8", "replace") for key in found)) or "none"
            raise ValueError(f"there is no feature '{wanted.decode()}'; there are: {keys}")
    images = _values(data, found[image_key], _BYTES_LIST)
    labels = _values(data, found[label_key], _INT64_LIST)
    if len(images) != 1 or images[0].wire != _BYTES:
        raise ValueError(f"'{image_key.decode()}' holds {len(images)} strings of bytes, expected one")
    if len(labels) != 1:
        raise ValueError(f"'{label_key.decode()}' holds {len(labels)} integers, expected one")
    label = labels[0].value
    return (images[0].start, images[0].stop - images[0].start), label - (label >> 63 << 64)


def _values(data: mmap.mmap, feature: _Field | None, kind: int) -> list[_Field]:
    """Return the values of a feature's list of one kind; integers may be packed."""
    assert feature is not None
    values = []
    for one in _fields(data, feature.start, feature.stop):
        if one.number != kind:
            continue
        for value in _fields(data, one.start, one.stop):
            if value.number == _LIST and kind == _INT64_LIST and value.wire == _BYTES:
                at = value.start
                while at < value.stop:
                    number, at = _varint(data, at, value.stop)
                    values.append(_Field(_LIST, _VARINT, at, at, number))
            elif value.number == _LIST:
                values.append(value)
    return values


def _fields(data: mmap.mmap, start: int, stop: int) -> Iterator[_Field]:
    """Yield the fields of a message.

    Raises:
        ValueError: it is damaged.
    """
    at = start
    while at < stop:
        tag, at = _varint(data, at, stop)
        number, wire, value = tag >> 3, tag & 7, 0
        begin = at
        if wire == _VARINT:
            value, at = _varint(data, at, stop)
        elif wire == _BYTES:
            length, begin = _varint(data, at, stop)
            at = begin + length
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"is no tf.train.Example: byte {at} has the unknown wire type {wire}")
        if at > stop or number == 0:
            raise ValueError(f"is no tf.train.Example, or damaged: the field at byte {begin} has no end in it")
        yield _Field(number, wire, begin, at, value)


def _varint(data: mmap.mmap, at: int, stop: int) -> tuple[int, int]:
    """Return an integer of 7 bits a byte, and where it ends."""
    value = shift = 0
    while at < stop and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise ValueError(f"is no tf.train.Example, or damaged: the number at byte {at} has no end")
