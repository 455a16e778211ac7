"""What can be known of every image before a run: whether it decodes, what it is, and whether it is there twice."""

import hashlib
import io
import struct
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from imgcls.data import pipeline
from imgcls.data.index import Index, Progress
from imgcls.data.quarantine import Quarantined
from imgcls.plan import Format

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

Kind = Literal[
    "unreadable", "truncated", "empty", "huge", "ending", "cmyk", "16-bit", "alpha", "animated", "small"
]

_BATCH = 64
_BATCH_PIXELS = 1 << 25  # whole images are held, some batches of them
_SMALL = 8  # times smaller than what the model is given
_READ_AT_MOST = 1 << 28  # bytes of a file that is no image
_DIGEST = 2  # 64-bit words of SHA-256 that are kept
SIDES = (0, 32, 64, 128, 256, 512, 1024, 2048)  # pixels
ASPECTS = (0.0, 1 / 3, 1 / 2, 2 / 3, 9 / 10, 10 / 9, 3 / 2, 2.0, 3.0)  # width to height
# what Pillow raises on damaged images of one format or another
_DAMAGED = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    OSError,
    EOFError,
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    struct.error,
)


@dataclass(frozen=True)
class Finding:
    """Something about an image that its owner will want to know.

    Attributes:
        kind: of finding.
        path: of the image.
        says: what it is, to be read after the path.
        usable: whether a run can train on the image all the same.
    """

    kind: Kind
    path: str
    says: str
    usable: bool = True


@dataclass(frozen=True)
class Split:
    """What was found in a split.

    Attributes:
        name: ``train`` or ``validation``.
        index: of the split, with what cannot be used.
        findings: of all kinds.
        listed: samples of the index that cannot be used.
        hashes: uint64 (n, 2), of the encoded images; 0 where one was not read.
    """

    name: str
    index: Index
    findings: list[Finding]
    listed: list[Quarantined]
    hashes: NDArray[np.uint64]

    @property
    def good(self) -> NDArray[np.int64]:
        """The samples that can be used, int64 (n,), rising."""
        return np.setdiff1d(np.arange(len(self.index)), [entry.sample for entry in self.listed])


def pixels_limit() -> int:
    """Return how many pixels Pillow takes an image to have at most, beyond which it calls it an attack."""
    return 2 * (Image.MAX_IMAGE_PIXELS or 1 << 62)


def examine(
    name: str, index: Index, form: Format, machine: pipeline.Machine, most_pixels: int, progress: Progress
) -> Split:
    """Decode every image of a split with the decoder that training uses, and look at what it is.

    Args:
        name: of the split.
        index: of the split, before the quarantine list is looked at.
        form: what the model is given.
        machine: what training would run on here.
        most_pixels: larger images are not decoded, and count as unusable.
        progress: called with the number of images done and of all.
    """
    if index.pixels is not None:
        hashes = np.stack([_hash(picture.tobytes()) for picture in index.pixels])
        progress(len(index), len(index))
        return Split(name, index, [], [], hashes)
    split = Split(name, index, [], [], np.zeros((len(index), _DIGEST), np.uint64))
    pixels = index.sizes.prod(axis=1, dtype=np.int64)
    for sample in np.flatnonzero(pixels > most_pixels).tolist():
        height, width = index.sizes[sample].tolist()
        _refuse(split, sample, "huge", f"has {width}x{height} pixels, more than {most_pixels:,}")
    batches = _batches(pixels, split.good)
    _endings()  # once, before threads ask
    with ThreadPoolExecutor(machine.threads) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about damage and size
        split.findings.extend(_of_left_out(index))
        done = len(split.listed)
        for samples, faults in _decoded(split, form, machine, batches, pool):
            for sample, fault in faults.items():
                _refuse(split, sample, *_kind_of(index, sample, fault))
            done += len(samples)
            progress(done, len(index))
    return split


def _decoded(
    split: Split,
    form: Format,
    machine: pipeline.Machine,
    batches: list[NDArray[np.int64]],
    pool: ThreadPoolExecutor,
) -> Iterator[tuple[NDArray[np.int64], dict[int, str]]]:
    """Yield each batch with what is wrong with its members; hash and look at them meanwhile."""
    if not batches:
        return
    transform = pipeline.Decoding(split.index, form)
    following = iter(batches)
    pipe = pipeline.build(transform, lambda: transform.feed(0, next(following)), max(map(len, batches)), machine)
    for samples in batches:
        looked_at = pool.map(partial(_look_at, split.index, form), samples.tolist())
        try:
            (images,) = pipe.run()
            same = np.array(images.shape())[:, :2] == split.index.sizes[samples]
            suspects = samples[~same.all(axis=1)]
        except RuntimeError:
            suspects = samples  # the error does not say which
        for sample, (digest, findings) in zip(samples, looked_at, strict=True):
            split.hashes[sample] = digest
            split.findings.extend(findings)
        yield samples, _faults(transform, suspects.tolist(), machine)


def _faults(transform: pipeline.Decoding, suspects: Sequence[int], machine: pipeline.Machine) -> dict[int, str]:
    """Return which samples are no good, and why, decoded alone: first on the CPU, which has words for it."""
    found = {}
    for sample in suspects:
        fault = pipeline.can_decode(transform.index, sample, transform.form.channels)
        if fault is None and machine.decoder != "cpu" and not _decodes_here(transform, sample, machine):
            fault = "cannot be decoded on the GPU"
        if fault is not None:
            found[sample] = fault
    return found


def _decodes_here(transform: pipeline.Decoding, sample: int, machine: pipeline.Machine) -> bool:
    fed = transform.feed(0, np.array([sample]))
    try:
        pipeline.build(transform, lambda: fed, 1, machine).run()
    except RuntimeError:
        return False
    return True


def _batches(pixels: NDArray[np.int64], samples: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the samples in batches that decode into some hundred megabytes at most."""
    starts, held = [0], 0
    for place, count in enumerate(pixels[samples].tolist()):
        if place - starts[-1] == _BATCH or (held and held + count > _BATCH_PIXELS):
            starts.append(place)
            held = 0
        held += count
    return [batch for batch in np.split(samples, starts[1:]) if len(batch)]


def _refuse(split: Split, sample: int, kind: Kind, says: str) -> None:
    path = split.index.path(sample)
    split.findings.append(Finding(kind, path, says, usable=False))
    split.listed.append(Quarantined(sample, path, says))


def _kind_of(index: Index, sample: int, fault: str) -> tuple[Kind, str]:
    try:
        data = index.read(sample)
    except OSError as error:
        return "unreadable", f"cannot be read: {error.strerror}"
    if not data:
        return "empty", "is empty"
    return ("truncated", "is cut off") if _cut_off(data) else ("unreadable", fault)


def _of_left_out(index: Index) -> list[Finding]:
    """Return what there is to say of the files that did not even get into the index."""
    found = []
    for path, why in index.left_out:
        data = _begin(Path(path))
        kind: Kind = "unreadable"
        if why == "is empty":
            kind = "empty"
        elif "decompression bomb" in why:  # Pillow's words
            kind = "huge"
        elif _cut_off(data):
            kind, why = "truncated", "is cut off"
        found.append(Finding(kind, path, why, usable=False))
        found += [Finding(other, path, says) for other, says in _properties(data, Path(path).suffix)]
    return found


def _begin(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_READ_AT_MOST)
    except OSError:  # a folder, or a part of a larger file
        return b""


def _look_at(index: Index, form: Format, sample: int) -> tuple[NDArray[np.uint64], list[Finding]]:
    """Return a sample's hash, and what is unusual about it."""
    path = index.path(sample)
    try:
        data = index.read(sample)
    except OSError:  # the decoder will say so
        return np.zeros(_DIGEST, np.uint64), []
    found = _properties(data, Path(path).suffix if index.are_files else "")
    height, width = index.sizes[sample].tolist()
    if min(height, width) * _SMALL < form.size:
        found.append(("small", f"has {width}x{height} pixels, for a model of {form.size}x{form.size}"))
    return _hash(data), [Finding(kind, path, says) for kind, says in found]


def _hash(data: bytes) -> NDArray[np.uint64]:
    return np.frombuffer(hashlib.sha256(data).digest(), np.uint64)[:_DIGEST]


def _properties(data: bytes, ending: str) -> list[tuple[Kind, str]]:
    found: list[tuple[Kind, str]] = []
    try:
        with Image.open(io.BytesIO(data)) as image:
            expected = _endings().get(ending.lower())
            if expected is not None and image.format not in expected:
                found.append(("ending", f"is named {ending}, but is a {image.format} image"))
            if image.mode == "CMYK":
                found.append(("cmyk", "is a CMYK image"))
            if (bits := _bits(image, data)) > 8:
                found.append(("16-bit", f"has {bits} bits a channel"))
            if image.has_transparency_data:
                found.append(("alpha", "has transparency"))
            if (frames := getattr(image, "n_frames", 1)) > 1:
                found.append(("animated", f"has {frames} frames"))
    except _DAMAGED:
        pass  # whether that matters is for the decoder to say
    return found


def _bits(image: "ImageFile", data: bytes) -> int:
    """Return the bits of a channel in the file; Pillow's mode hides them for colour images."""
    if image.format == "PNG":
        return data[24]
    if image.format == "TIFF":
        bits: int = max(image.tag_v2.get(258, (1,)))  # type: ignore[attr-defined]
        return bits
    return 16 if image.mode.startswith("I") else 8


def _cut_off(data: bytes) -> bool:
    """Whether an image that does not decode begins well and ends too early."""
    if data[:4] == b"RIFF":
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return b"IEND" not in data[-64:]
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except _DAMAGED as error:
        return "truncated" in str(error)
    return False


@cache
def _endings() -> dict[str, set[str]]:
    """Return the formats, in Pillow's names, that a file of each ending may have."""
    # MPO is a JPEG with further ones after it, as phones write
    return {
        ending: {form, "MPO"} if form == "JPEG" else {form}
        for ending, form in Image.registered_extensions().items()
    }


def report(splits: Sequence[Split]) -> dict[str, Any]:
    """Return all that was found as plain data.

    ``passed`` is whether a run would use every image, and none is in both splits.
    """
    twice = duplicates(splits)
    findings = [
        {"kind": each.kind, "split": split.name, "path": each.path, "says": each.says, "usable": each.usable}
        for split in splits
        for each in split.findings
    ]
    leaks = any(group["across"] for group in twice)
    return {
        "passed": not leaks and all(finding["usable"] for finding in findings),
        "classes": list(splits[0].index.classes),
        "splits": {split.name: _figures(split) for split in splits},
        "findings": findings,
        "duplicates": twice,
    }


def _figures(split: Split) -> dict[str, Any]:
    index, good = split.index, split.good
    height, width = index.sizes[good].T
    return {
        "images": len(index) + len(index.left_out),
        "usable": len(good),
        "decoded": index.pixels is None,
        "class_counts": np.bincount(index.labels[good], minlength=len(index.classes)).tolist(),
        "shorter_side": _histogram(np.minimum(height, width), SIDES),
        "aspect": _histogram(width / height, ASPECTS),
    }


def _histogram(values: NDArray[Any], starts: Sequence[float]) -> dict[str, list[float]]:
    counts = np.bincount(np.searchsorted(starts, values, side="right") - 1, minlength=len(starts))
    return {"from": list(starts), "count": counts.tolist()}


def duplicates(splits: Sequence[Split]) -> list[dict[str, Any]]:
    """Return the groups of usable images that are the same byte for byte, those across splits first.

    Each with ``across``, whether the images are in several splits; ``labels``, how many classes they are given;
    and ``images``.
    """
    samples = np.concatenate([split.good for split in splits])
    owners = np.repeat(np.arange(len(splits)), [len(split.good) for split in splits])
    hashes = np.concatenate([split.hashes[split.good] for split in splits])
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))
    changes = np.flatnonzero((hashes[order[1:]] != hashes[order[:-1]]).any(axis=1)) + 1
    bounds = np.concatenate([[0], changes, [len(order)]])
    groups = [np.sort(order[bounds[i] : bounds[i + 1]]).tolist() for i in np.flatnonzero(np.diff(bounds) > 1)]
    found = [_group([(splits[owners[place]], int(samples[place])) for place in group]) for group in sorted(groups)]
    return sorted(found, key=lambda group: not group["across"])


def _group(places: Sequence[tuple[Split, int]]) -> dict[str, Any]:
    return {
        "across": len({split.name for split, _ in places}) > 1,
        "labels": len({int(split.index.labels[sample]) for split, sample in places}),
        "images": [
            {
                "split": split.name,
                "path": split.index.path(sample),
                "class": split.index.classes[int(split.index.labels[sample])],
            }
            for split, sample in places
        ],
    }
