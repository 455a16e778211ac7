from __future__ import annotations

import gzip
import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def digits():
    """Real handwriting: uint8 (1797, 8, 8) and the labels."""
    file = Path(find_spec("sklearn").origin).parent / "datasets/data/digits.csv.gz"
    with gzip.open(file, "rt") as lines:
        table = np.loadtxt(lines, delimiter=",")
    return (table[:, :64] * 255 / 16).astype(np.uint8).reshape(-1, 8, 8), table[:, 64].astype(int)


@pytest.fixture(scope="session")
def encoded(digits):
    """The digit with a number, enlarged, as the bytes of an image file; no two have one size and content."""

    def encode(number, form="JPEG"):
        image = Image.fromarray(digits[0][number]).resize((24 + number % 7, 20 + number % 5))
        stream = io.BytesIO()
        image.convert("RGB").save(stream, form)
        return stream.getvalue()

    return encode


@pytest.fixture
def images_of():
    """The encoded bytes of each sample of a source, read here, not by imgcls; each is decoded, too."""

    def read(source):
        found = []
        for number in range(len(source.labels)):
            if source.ranges is None:
                data = (source.root / source.paths[number]).read_bytes()
            else:
                file, first, size = source.ranges[number]
                with (source.root / source.paths[file]).open("rb") as stream:
                    stream.seek(first)
                    data = stream.read(size)
            Image.open(io.BytesIO(data)).load()
            found.append(data)
        return found

    return read
