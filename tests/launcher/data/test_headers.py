"""What the headers say of files that are not whole."""

import io

import numpy as np
import pytest
from PIL import Image

from imgcls.data import headers


def png(**options):
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(file, "PNG", **options)
    return file.getvalue()


def header(tmp_path, content, place=(0, -1)):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    ((found,),) = headers.read([(str(path), *place)])
    return found


def test_a_whole_png_has_a_size(tmp_path):
    assert header(tmp_path, png()) == (40, 30)


@pytest.mark.parametrize("kept", [60, 100, 1000, -1, -12])
def test_a_png_that_ends_early_is_named_as_cut_off(tmp_path, kept):
    assert header(tmp_path, png()[:kept]) == "is damaged or cut off"


def test_what_follows_the_last_chunk_does_not_matter(tmp_path):
    assert header(tmp_path, png() + b"more") == (40, 30)


def test_a_png_within_another_file_is_looked_at_there(tmp_path):
    whole = png()
    assert header(tmp_path, b"head" + whole + b"tail", (4, len(whole))) == (40, 30)
    assert header(tmp_path, b"head" + whole + b"tail", (4, len(whole) - 5)) == "is damaged or cut off"
