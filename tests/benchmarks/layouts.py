"""Samples a second for each layout of a dataset, against DALI's own reader of the same files.

Run as ``python tests/benchmarks/layouts.py [--threads 1 2] [--rounds 5] [--layouts files webdataset tfrecord]``.
"""

import argparse
import io
import struct
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import loader
import measure
import torch
from loader import BATCH, MEAN, RATIO, SCALE, SIZE, STD
from measure import CACHE, Photos, Speed, say

SHARD = 150  # samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=20, help="timed in each round")
    parser.add_argument("--layouts", nargs="+", default=list(LAYOUTS), choices=list(LAYOUTS))
    options = parser.parse_args()
    measure.header("Layouts: random resized crop, flip, normalise")
    pictures = measure.photos()
    say(pictures.describe())
    say(f"batch {BATCH}, {SIZE}x{SIZE} pixels, shards of {SHARD}; DALI shuffles in a buffer, imgcls the whole set")
    reached = []
    for name in options.layouts:
        make = LAYOUTS[name]
        for threads in options.threads:
            say(f"\n{name}, {threads} thread{'s' if threads > 1 else ''}")
            mine, dalis = make(pictures, threads)
            sides: dict[str, Callable[[], Speed]] = {
                "imgcls": lambda m=mine: loader.timed(m(), options.batches),
                "DALI": lambda d=dalis: loader.timed(d(), options.batches),
            }
            found = measure.in_turn(sides, options.rounds, "samples/s")
            reached.append(measure.ratio(found, "imgcls", "DALI", 0.95))
    measure.ends(reached)


Side = Callable[[], Iterator[torch.Tensor]]


def files(pictures: Photos, threads: int) -> tuple[Side, Side]:
    return (lambda: loader.imgcls_batches(pictures, threads)), (lambda: loader.dali_batches(pictures, threads))


def webdataset(pictures: Photos, threads: int) -> tuple[Side, Side]:
    from nvidia.dali import fn

    from imgcls_datasets import webdataset as plugin
    from imgcls_datasets.options import WebDataset

    folder = CACHE / "webdataset"
    if not folder.is_dir():
        folder.mkdir(parents=True)
        for number, part in enumerate(_shards(pictures)):
            with tarfile.open(folder / f"train-{number:04}.tar", "w") as tar:
                for sample, (data, label) in enumerate(part):
                    for ending, content in (("jpg", data), ("cls", str(label).encode())):
                        member = tarfile.TarInfo(f"{number:04}{sample:06}.{ending}")
                        member.size = len(content)
                        tar.addfile(member, io.BytesIO(content))
    source = plugin.build(WebDataset(root=str(folder)), "train")
    paths = [str(path) for path in sorted(folder.glob("*.tar"))]
    reader = lambda: fn.readers.webdataset(paths=paths, ext=["jpg", "cls"], random_shuffle=True, initial_fill=256)  # noqa: E731
    return (lambda: loader.batches_of(source, threads)), (lambda: _dali(reader, threads))


def tfrecord(pictures: Photos, threads: int) -> tuple[Side, Side]:
    from nvidia.dali import fn
    from nvidia.dali import tfrecord as tfrec

    from imgcls_datasets import tfrecord as plugin
    from imgcls_datasets.crc32c import masked
    from imgcls_datasets.options import TfRecord

    folder = CACHE / "tfrecord"
    if not folder.is_dir():
        folder.mkdir(parents=True)
        for number, part in enumerate(_shards(pictures)):
            starts = []
            with (folder / f"train-{number:05}").open("wb") as file:
                for data, label in part:
                    example = _example(data, label)
                    length = struct.pack("<Q", len(example))
                    begin = file.tell()
                    file.write(
                        length + struct.pack("<I", masked(length)) + example + struct.pack("<I", masked(example))
                    )
                    starts.append(f"{begin} {file.tell() - begin}\n")
            (folder / f"index-{number:05}").write_text("".join(starts))
    source = plugin.build(TfRecord(root=str(folder), val=""), "train")
    paths = [str(path) for path in sorted(folder.glob("train-*"))]
    indexes = [str(path) for path in sorted(folder.glob("index-*"))]
    features = {
        "image/encoded": tfrec.FixedLenFeature((), tfrec.string, ""),
        "image/class/label": tfrec.FixedLenFeature([1], tfrec.int64, -1),
    }

    def reader() -> Sequence[Any]:
        found = fn.readers.tfrecord(
            path=paths, index_path=indexes, features=features, random_shuffle=True, initial_fill=256
        )
        return found["image/encoded"], found["image/class/label"]

    return (lambda: loader.batches_of(source, threads)), (lambda: _dali(reader, threads))


LAYOUTS = {"files": files, "webdataset": webdataset, "tfrecord": tfrecord}


def _shards(pictures: Photos) -> Iterator[list[tuple[bytes, int]]]:
    samples = list(zip(pictures.names, pictures.labels, strict=True))
    for start in range(0, len(samples), SHARD):
        yield [(Path(pictures.root, name).read_bytes(), label) for name, label in samples[start : start + SHARD]]


def _example(image: bytes, label: int) -> bytes:
    """Return a tf.train.Example of two features, written by hand in protobuf's encoding."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2]) + _varint(len(content)) + content

    def feature(name: str, kind: int, content: bytes) -> bytes:
        return field(1, field(1, name.encode()) + field(2, field(kind, content)))

    labels = field(1, _varint(label))
    return field(1, feature("image/encoded", 1, field(1, image)) + feature("image/class/label", 3, labels))


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 128:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _dali(reader: Callable[[], Sequence[Any]], threads: int) -> Iterator[torch.Tensor]:
    import torch.utils.dlpack
    from nvidia.dali import Pipeline, fn, types

    pipe = Pipeline(batch_size=BATCH, num_threads=threads, device_id=None, prefetch_queue_depth=2, seed=1)
    with pipe:
        encoded, labels = reader()
        images = fn.decoders.image_random_crop(
            encoded, random_area=list(SCALE), random_aspect_ratio=list(RATIO), output_type=types.RGB
        )
        images = fn.resize(images, size=[SIZE, SIZE], interp_type=types.INTERP_LINEAR, antialias=True)
        mean, std = ([255 * value for value in values] for values in (MEAN, STD))
        flips = fn.random.coin_flip(probability=0.5)
        images = fn.crop_mirror_normalize(
            images, dtype=types.FLOAT, output_layout="CHW", mean=mean, std=std, mirror=flips
        )
        pipe.set_outputs(images, labels)
    pipe.build()
    while True:
        yield torch.utils.dlpack.from_dlpack(pipe.run()[0].as_tensor())


if __name__ == "__main__":
    main()
