"""Sizes of images from their headers, in parallel, and what is wrong with those that have none."""

import io
import os
import struct
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from PIL.ImageFile import ImageFile

# what DALI decodes on a CPU, in Pillow's names
DECODABLE = ("JPEG", "MPO", "PNG", "BMP", "TIFF", "WEBP", "JPEG2000", "PPM")
_CHUNK = 512
_MANY = 20_000  # files from which on processes pay for their start
_ORIENTATION = 0x0112
_PNG_FIRST = 8  # where a PNG's first chunk begins
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"  # its last chunk, which has no data
_SIDEWAYS = (5, 6, 7, 8)

Place = tuple[str, int, int]  # file, first byte, bytes; -1 for all of the file
Header = tuple[int, int] | str  # height, width; or what is wrong


def read(places: Sequence[Place]) -> Iterator[list[Header]]:
    """Yield the headers of images, in order, some hundred at a time."""
    chunks = [places[start : start + _CHUNK] for start in range(0, len(places), _CHUNK)]
    workers = os.cpu_count() or 1
    pool: Executor
    if len(places) >= _MANY:
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    else:
        pool = ThreadPoolExecutor(2 * workers)
    with pool:
        yield from pool.map(_read_all, chunks)


def _read_all(places: Sequence[Place]) -> list[Header]:
    return [_read_one(place) for place in places]


def _read_one(place: Place) -> Header:
    from PIL import Image, UnidentifiedImageError

    try:
        file, size = _open(place)
        if not size:
            return "is empty"
        with file, warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # about large images, and damaged EXIF, which DALI reads or passes over
            with Image.open(file) as image:
                if image.format not in DECODABLE or (image.format == "PPM" and image.mode == "F"):
                    return (
                        f"is a {image.format} image of mode {image.mode}, which DALI does not decode; convert it"
                    )
                if image.format == "PNG" and _is_cut_off(file, size):
                    return "is damaged or cut off"
                width, height = image.size
                sideways = _orientation(image) in _SIDEWAYS
        return (width, height) if sideways else (height, width)
    except UnidentifiedImageError:
        return "is not an image"
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
        return f"cannot be read: {error}"


def _is_cut_off(file: IO[bytes], size: int) -> bool:
    """Return whether a PNG of so many bytes ends before its last chunk.

    DALI 2.4 crashes, about every second time, where it meets such a file in a batch of a hundred or so; other
    damage, and that of other formats, is an error that it raises.
    """
    file.seek(max(0, size - len(_PNG_END)))
    if file.read() == _PNG_END:
        return False
    at = _PNG_FIRST  # something may follow the last chunk
    while at + len(_PNG_END) <= size:
        file.seek(at)
        length, name = struct.unpack(">I4s", file.read(8))
        if name == b"IEND":
            return False
        at += len(_PNG_END) + length  # length, name, data, checksum
    return True


def _open(place: Place) -> tuple[IO[bytes], int]:
    name, first, size = place
    path = Path(name)
    if size < 0:
        return path.open("rb"), path.stat().st_size
    return io.BufferedReader(_Part(path, first, size)), size


class _Part(io.RawIOBase):
    """A part of a file, as a file of its own."""

    def __init__(self, path: Path, first: int, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._first = first
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)[: max(0, self._size - self._at)]
        if not len(view):
            return 0
        self._file.seek(self._first + self._at)
        count = self._file.readinto(view)
        self._at += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _orientation(image: "ImageFile") -> int:
    """Return the orientation that DALI will apply: from EXIF, not from XMP, where Pillow would look too."""
    from PIL import Image

    data = image.info.get("exif")
    if not data or image.format == "TIFF":  # Pillow gives a TIFF's size as it will be
        return 1
    exif = Image.Exif()
    exif.load(data)
    return int(exif.get(_ORIENTATION, 1) or 1)
