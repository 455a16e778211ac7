"""The index of a dataset: what a worker needs to know to read any sample. Built once, kept in Parquet."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgcls.data import headers
from imgcls.data.source import Source
from imgcls.errors import UserError
from imgcls.outage import may_pass, pauses

_LAYOUT = 2  # of the file; another number, and indexes written before are made anew
_SHOWN = 20
_PATIENCE = 60.0  # seconds that a part of a file is waited for
_READERS = 8  # threads that read parts of files; reading is waiting
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Index:
    """The samples of one split.

    Attributes:
        classes: names by label.
        labels: int64 (n,).
        sizes: int32 (n, 2), height and width in pixels, after the EXIF orientation.
        root: the folder the paths are relative to.
        paths: of encoded images, or of the files that ``ranges`` are in, as bytes; None for pixels.
        ranges: int64 (n, 3): number of the file in ``paths``, first byte, bytes; None where each file is a sample.
        pixels: uint8 (n, height, width, channels); None for files.
        weights: float64 (n,), for weighted sampling; None for equal ones.
        digest: SHA-256 of all of this but the root.
        left_out: files that are no images, and why; only where the index was built to leave them out.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    sizes: NDArray[np.int32]
    root: Path
    paths: NDArray[np.object_] | None = None
    ranges: NDArray[np.int64] | None = None
    pixels: NDArray[np.uint8] | None = None
    weights: NDArray[np.float64] | None = None
    digest: str = ""
    left_out: tuple[tuple[str, str], ...] = ()
    _open: dict[int, int] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def are_files(self) -> bool:
        """Whether each sample is a file of its own."""
        return self.paths is not None and self.ranges is None

    def path(self, sample: int) -> str:
        """Return where a sample is, for a message."""
        if self.paths is None:
            return f"sample {sample}"
        file, first, size = self._place(sample)
        return file if size < 0 else f"{file}, {size} bytes from byte {first} on"

    def _place(self, sample: int) -> headers.Place:
        if self.ranges is None:
            return os.fsdecode(self._full(sample)), 0, -1
        file, first, size = self.ranges[sample].tolist()
        return os.fsdecode(self._full(file)), first, size

    def _full(self, number: int) -> bytes:
        assert self.paths is not None
        return os.fsencode(self.root) + b"/" + bytes(self.paths[number])

    def read(self, sample: int) -> bytes:
        """Return the encoded bytes of a sample.

        Raises:
            OSError: its file cannot be read.
        """
        if self.ranges is None:
            return Path(os.fsdecode(self._full(sample))).read_bytes()
        file, first, size = self.ranges[sample].tolist()
        if file not in self._open:
            self._open[file] = os.open(self._full(file), os.O_RDONLY)
        try:
            return os.pread(self._open[file], size, first)
        except OSError:
            # of storage that was away the handle stays dead; not closed, for another thread may hold it
            self._open.pop(file, None)
            raise

    def _read_in_time(self, sample: int) -> bytes:
        """Return the encoded bytes of a sample, waiting for storage that fails for a while."""
        end = time.monotonic() + _PATIENCE
        for pause in pauses(longest=2.0):
            try:
                return self.read(sample)
            except OSError as error:
                if time.monotonic() >= end or not may_pass(error, self.root):
                    raise
                time.sleep(pause)
        raise AssertionError("pauses have no end")

    def feed(self, samples: NDArray[np.int64]) -> list[NDArray[np.uint8]] | NDArray[np.uint8]:
        """Return what DALI is fed: file names or encoded images as arrays of bytes, or pixels as one array.

        Raises:
            OSError: a file that parts are in cannot be read.
        """
        if self.pixels is not None:
            return self.pixels[samples]
        if self.ranges is None:
            return [np.frombuffer(self._full(sample), np.uint8) for sample in samples]
        return [np.frombuffer(data, np.uint8) for data in _readers().map(self._read_in_time, samples.tolist())]

    def part(self, samples: NDArray[np.int64]) -> "Index":
        """Return an index of some of the samples, in the order given."""
        files = self.paths if self.paths is None or self.ranges is not None else self.paths[samples]
        ranges, pixels, weights = (
            None if each is None else each[samples] for each in (self.ranges, self.pixels, self.weights)
        )
        return _digested(
            replace(
                self,
                labels=self.labels[samples],
                sizes=self.sizes[samples],
                paths=files,
                ranges=ranges,  # type: ignore[arg-type]
                pixels=pixels,  # type: ignore[arg-type]
                weights=weights,  # type: ignore[arg-type]
            )
        )

    def save(self, path: Path) -> None:
        """Write the index as Parquet, whole or not at all."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {"label": pa.array(self.labels.astype(np.int32))}
        columns["height"], columns["width"] = pa.array(self.sizes[:, 0]), pa.array(self.sizes[:, 1])
        about = {"classes": self.classes, "digest": self.digest, "left_out": self.left_out}
        if self.weights is not None:
            columns["weight"] = pa.array(self.weights)
        if self.ranges is not None and self.paths is not None:
            about["files"] = tuple(os.fsdecode(bytes(file)) for file in self.paths)
            for number, name in enumerate(("file", "first", "bytes")):
                columns[name] = pa.array(self.ranges[:, number])
        elif self.paths is not None:
            columns["path"] = pa.array(self.paths.tolist(), pa.binary())
        if self.pixels is not None:
            about["pixels"] = self.pixels.shape[1:]
            flat = pa.py_buffer(np.ascontiguousarray(self.pixels))
            kind = pa.binary(int(np.prod(self.pixels.shape[1:])))
            columns["pixels"] = pa.FixedSizeBinaryArray.from_buffers(kind, len(self), [None, flat])
        table = pa.table(columns).replace_schema_metadata({"imgcls": json.dumps(about)})
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        pq.write_table(table, temporary, compression="zstd")
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path, root: Path) -> "Index":
        """Read an index; image paths are then taken relative to ``root``."""
        import pyarrow.parquet as pq

        table = pq.read_table(path, memory_map=True)
        about = json.loads(table.schema.metadata[b"imgcls"])
        pixels = paths = ranges = None
        if "pixels" in about:
            buffer = np.frombuffer(table["pixels"].combine_chunks().buffers()[1], np.uint8)
            pixels = buffer.reshape(len(table), *about["pixels"])
        elif "files" in about:
            paths = np.array([os.fsencode(file) for file in about["files"]], object)
            ranges = np.stack([table[name].to_numpy() for name in ("file", "first", "bytes")], axis=-1)
        else:
            paths = np.array(table["path"].to_pylist(), object)
        return cls(
            classes=tuple(about["classes"]),
            labels=table["label"].to_numpy().astype(np.int64),
            sizes=np.stack([table["height"].to_numpy(), table["width"].to_numpy()], axis=-1).astype(np.int32),
            root=root,
            paths=paths,
            ranges=ranges,
            pixels=pixels,
            weights=table["weight"].to_numpy() if "weight" in table.column_names else None,
            digest=about["digest"],
            left_out=tuple((file, why) for file, why in about["left_out"]),
        )


def build(
    source: Source, cache: Path, progress: Progress = lambda _done, _all: None, skip_bad: bool = False
) -> Index:
    """Return the index of a source, from the cache where its files are unchanged since.

    Args:
        source: what the dataset plugin found.
        cache: folder of index files, named by a hash over every file's name, size and time of change.
        progress: called with the number of headers read and of all.
        skip_bad: leave out what is no image, and say so in ``left_out``, instead of raising.

    Raises:
        UserError: no sample at all, or files that are no images; all of those are named.
    """
    if not len(source.labels):
        raise UserError(f"{source.root}: there are no images")
    if source.pixels is not None:
        sizes = np.tile(np.asarray(source.pixels.shape[1:3], np.int32), (len(source.labels), 1))
        pixels, weights = source.pixels, source.weights
        return _digested(Index(source.classes, source.labels, sizes, source.root, pixels=pixels, weights=weights))
    kept = cache / f"{_fingerprint(source)}.parquet"
    if kept.is_file():
        index = Index.load(kept, source.root)
    else:
        index = _from_headers(source, progress)
        if skip_bad or not index.left_out:
            index.save(kept)
    if index.left_out and not skip_bad:
        problems = [f"{file}: {why}" for file, why in index.left_out]
        raise UserError(_listing(problems, "cannot be used; mend or remove what is listed"))
    if not len(index):
        raise UserError(f"{source.root}: none of the {len(index.left_out)} files is an image that DALI decodes")
    return index


def _digested(index: Index) -> Index:
    digest = hashlib.sha256(json.dumps(index.classes).encode())
    arrays = (index.labels.astype("<i8"), index.sizes.astype("<i4"), index.pixels, index.ranges, index.weights)
    for array in arrays:
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    for path in () if index.paths is None else index.paths:
        digest.update(path + b"\0")
    return replace(index, digest=digest.hexdigest(), _open={})


def _fingerprint(source: Source) -> str:
    digest = hashlib.sha256(json.dumps([_LAYOUT, source.classes]).encode())
    for array in (source.labels.astype("<i8"), source.ranges, source.weights):
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    missing = []
    for path in source.paths:
        try:
            status = (source.root / path).stat()
        except OSError as error:
            missing.append(f"{source.root / path}: {error.strerror}")
            continue
        digest.update(f"{status.st_size} {status.st_mtime_ns} ".encode() + os.fsencode(path) + b"\0")
    if missing:
        raise UserError(_listing(missing, "cannot be read"))
    return digest.hexdigest()[:32]


def _from_headers(source: Source, progress: Progress) -> Index:
    files = [os.fsencode(path) for path in source.paths]
    whole = Index(source.classes, source.labels, np.empty((0, 2), np.int32), source.root)
    whole = replace(whole, paths=np.array(files, object), ranges=source.ranges, weights=source.weights)
    found: list[headers.Header] = []
    for chunk in headers.read([whole._place(sample) for sample in range(len(whole))]):
        found += chunk
        progress(len(found), len(whole))
    sizes = np.array([(0, 0) if isinstance(header, str) else header for header in found], np.int32)
    problems = [(sample, header) for sample, header in enumerate(found) if isinstance(header, str)]
    left_out = tuple((os.path.abspath(whole.path(sample)), why) for sample, why in problems)  # noqa: PTH100
    whole = replace(whole, sizes=sizes, left_out=left_out)
    good = np.flatnonzero(sizes[:, 0])
    return whole.part(good) if left_out else _digested(whole)


@cache
def _readers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_READERS)


def _listing(problems: Sequence[str], what: str) -> str:
    shown = list(problems[:_SHOWN])
    if len(problems) > _SHOWN:
        shown.append(f"... and {len(problems) - _SHOWN} more")
    count = "1 file" if len(problems) == 1 else f"{len(problems)} files"
    return "\n".join([*shown, f"{count} {what}; nothing was started."])
