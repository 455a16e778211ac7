"""The index of a dataset: what a worker needs to know to read any sample. Built once, kept in Parquet."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imgcls.data.source import Source
from imgcls.errors import UserError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# what DALI decodes on a CPU, in Pillow's names
DECODABLE = ("JPEG", "MPO", "PNG", "BMP", "TIFF", "WEBP", "JPEG2000", "PPM")
_SHOWN = 20
_CHUNK = 512
_MANY = 20_000  # files from which on processes pay for their start
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)

Header = tuple[int, int, int] | str  # bytes, height, width; or what is wrong


@dataclass(frozen=True, eq=False)
class Index:
    """The samples of one split.

    Attributes:
        classes: names by label.
        labels: int64 (n,).
        sizes: int32 (n, 2), height and width in pixels, after the EXIF orientation.
        root: the folder the paths are relative to.
        paths: of encoded images, as bytes; None for pixels.
        pixels: uint8 (n, height, width, channels); None for files.
        digest: SHA-256 of all of this but the root.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    sizes: NDArray[np.int32]
    root: Path
    paths: NDArray[np.object_] | None
    pixels: NDArray[np.uint8] | None
    digest: str

    def __len__(self) -> int:
        return len(self.labels)

    def path(self, sample: int) -> str:
        """Return where a sample is, for a message."""
        if self.paths is None:
            return f"sample {sample}"
        return os.fsdecode(self._full(sample))

    def _full(self, sample: int) -> bytes:
        assert self.paths is not None
        return os.fsencode(self.root) + b"/" + bytes(self.paths[sample])

    def feed(self, samples: NDArray[np.int64]) -> list[NDArray[np.uint8]] | NDArray[np.uint8]:
        """Return what DALI is fed: file names as arrays of bytes, or pixels (n, height, width, channels)."""
        if self.pixels is not None:
            return self.pixels[samples]
        return [np.frombuffer(self._full(sample), np.uint8) for sample in samples]

    def part(self, samples: NDArray[np.int64]) -> "Index":
        """Return an index of some of the samples, in the order given."""
        return _index(
            self.classes,
            self.labels[samples],
            self.sizes[samples],
            self.root,
            None if self.paths is None else self.paths[samples],
            None if self.pixels is None else self.pixels[samples],
        )

    def save(self, path: Path) -> None:
        """Write the index as Parquet, whole or not at all."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {"label": pa.array(self.labels.astype(np.int32))}
        columns["height"], columns["width"] = pa.array(self.sizes[:, 0]), pa.array(self.sizes[:, 1])
        shape: list[int] = []
        if self.paths is not None:
            columns["path"] = pa.array(self.paths.tolist(), pa.binary())
        if self.pixels is not None:
            shape = list(self.pixels.shape[1:])
            flat = pa.py_buffer(np.ascontiguousarray(self.pixels))
            kind = pa.binary(int(np.prod(shape)))
            columns["pixels"] = pa.FixedSizeBinaryArray.from_buffers(kind, len(self), [None, flat])
        about = {"classes": self.classes, "digest": self.digest, "pixels": shape}
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
        names = set(table.column_names)
        pixels = None
        if "pixels" in names:
            flat = table["pixels"].combine_chunks()
            buffer = np.frombuffer(flat.buffers()[1], np.uint8)
            pixels = buffer.reshape(len(table), *about["pixels"])
        sizes = np.stack([table["height"].to_numpy(), table["width"].to_numpy()], axis=-1).astype(np.int32)
        paths = np.array(table["path"].to_pylist(), object) if "path" in names else None
        labels = table["label"].to_numpy().astype(np.int64)
        return cls(tuple(about["classes"]), labels, sizes, root, paths, pixels, about["digest"])


def build(source: Source, cache: Path, progress: Callable[[int, int], None] = lambda _done, _all: None) -> Index:
    """Return the index of a source, from the cache where its files are unchanged since.

    Args:
        source: what the dataset plugin found.
        cache: folder of index files, named by a hash over every file's name, size and time of change.
        progress: called with the number of headers read and of all.

    Raises:
        UserError: no sample at all, or files that are no images; all of those are named.
    """
    if not len(source.labels):
        raise UserError(f"{source.root}: there are no images")
    if source.pixels is not None:
        sizes = np.tile(np.asarray(source.pixels.shape[1:3], np.int32), (len(source.labels), 1))
        return _index(source.classes, source.labels, sizes, source.root, None, source.pixels)
    kept = cache / f"{_fingerprint(source)}.parquet"
    if kept.is_file():
        return Index.load(kept, source.root)
    index = _from_headers(source, progress)
    index.save(kept)
    return index


def _index(
    classes: tuple[str, ...],
    labels: NDArray[np.int64],
    sizes: NDArray[np.int32],
    root: Path,
    paths: NDArray[np.object_] | None,
    pixels: NDArray[np.uint8] | None,
) -> Index:
    digest = hashlib.sha256(json.dumps(classes).encode())
    for array in (labels.astype("<i8"), sizes.astype("<i4"), pixels):
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    for path in () if paths is None else paths:
        digest.update(path + b"\0")
    return Index(classes, labels, sizes, root, paths, pixels, digest.hexdigest())


def _fingerprint(source: Source) -> str:
    digest = hashlib.sha256(json.dumps(source.classes).encode())
    digest.update(np.ascontiguousarray(source.labels.astype("<i8")).data)
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


def _from_headers(source: Source, progress: Callable[[int, int], None]) -> Index:
    headers: list[Header] = []
    files = [str(source.root / path) for path in source.paths]
    for chunk in _in_parallel(files):
        headers += chunk
        progress(len(headers), len(files))
    problems = [f"{file}: {h}" for file, h in zip(files, headers, strict=True) if isinstance(h, str)]
    if problems:
        raise UserError(_listing(problems, "cannot be used; mend or remove what is listed"))
    sizes = np.array([header[1:] for header in headers], np.int32)
    paths = np.array([os.fsencode(path) for path in source.paths], object)
    return _index(source.classes, source.labels, sizes, source.root, paths, None)


def _in_parallel(files: Sequence[str]) -> Iterator[list[Header]]:
    chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
    workers = os.cpu_count() or 1
    pool: Executor
    if len(files) >= _MANY:
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    else:
        pool = ThreadPoolExecutor(2 * workers)
    with pool:
        yield from pool.map(_read_headers, chunks)


def _read_headers(files: Sequence[str]) -> list[Header]:
    return [_read_header(file) for file in files]


def _read_header(file: str) -> Header:
    from PIL import Image, UnidentifiedImageError

    try:
        if not (size := Path(file).stat().st_size):
            return "is empty"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about large images: a size is all that is read here
            image = Image.open(file)
        with image:
            if image.format not in DECODABLE or (image.format == "PPM" and image.mode == "F"):
                return f"is a {image.format} image of mode {image.mode}, which DALI does not decode; convert it"
            width, height = image.size
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about damaged EXIF, which DALI reads or passes over
                sideways = _orientation(image) in _SIDEWAYS
        return (size, width, height) if sideways else (size, height, width)
    except UnidentifiedImageError:
        return "is not an image"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"cannot be read: {error}"


def _orientation(image: "ImageFile") -> int:
    """Return the orientation that DALI will apply: from EXIF, not from XMP, where Pillow would look too."""
    from PIL import Image

    data = image.info.get("exif")
    if not data or image.format == "TIFF":  # Pillow gives a TIFF's size as it will be
        return 1
    exif = Image.Exif()
    exif.load(data)
    return int(exif.get(_ORIENTATION, 1) or 1)


def _listing(problems: Sequence[str], what: str) -> str:
    shown = list(problems[:_SHOWN])
    if len(problems) > _SHOWN:
        shown.append(f"... and {len(problems) - _SHOWN} more")
    count = "1 file" if len(problems) == 1 else f"{len(problems)} files"
    return "\n".join([*shown, f"{count} {what}; nothing was started."])
