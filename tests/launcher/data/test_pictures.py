"""Which images are meant, and what is wrong with those that are none."""

import os

import numpy as np
import pytest
from PIL import Image

from imgcls.data.pictures import indexed, named
from imgcls.errors import UserError


def picture(path, width=5, height=4):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((height, width), np.uint8)).save(path)
    return str(path)


def test_files_folders_and_lines_come_in_the_order_given(tmp_path):
    b, a = picture(tmp_path / "in" / "b.png"), picture(tmp_path / "in" / "deep" / "a.PNG")
    (tmp_path / "in" / "notes.txt").touch()
    picture(tmp_path / "in" / ".hidden.png")
    picture(tmp_path / "in" / ".cache" / "c.png")
    folder = str(tmp_path / "in")
    assert named([folder], []) == [b, a]
    assert named(["x.txt", "-", folder, b], ["y \r\n", "\n", f"{folder}/deep\n", "z"]) == [
        "x.txt", "y ", a, "z", b, a, b,
    ]  # fmt: skip


def test_standard_input_is_read_only_where_it_is_asked_for():
    def lines():
        raise AssertionError
        yield

    assert named(["a.png"], lines()) == ["a.png"]


def test_links_that_lead_round_end(tmp_path):
    a = picture(tmp_path / "in" / "a.png")
    os.symlink(tmp_path / "in", tmp_path / "in" / "again")
    assert named([str(tmp_path / "in")], []) == [a]


def test_no_images_are_an_error_that_names_the_folder(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}: there are no images in it"):
        named(["a.png", str(tmp_path)], [])
    with pytest.raises(UserError, match="no image is named"):
        named(["-"], ["\n"])


def test_the_index_holds_the_good_ones_with_their_numbers_and_sizes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "a.png", 7, 3)
    picture(tmp_path / os.fsdecode(b"\xff.png"), 2, 9)
    (tmp_path / "bad.png").write_text("no image")
    (tmp_path / "empty.png").touch()
    names = ["gone.png", "a.png", "bad.png", str(tmp_path / os.fsdecode(b"\xff.png")), "empty.png", "a.png"]
    seen = []
    index, faults = indexed(names, lambda done, of: seen.append((done, of)))
    assert faults == {0: "there is no such file", 2: "is not an image", 4: "is empty"}
    assert index.labels.tolist() == [1, 3, 5]
    assert index.sizes.tolist() == [[3, 7], [9, 2], [3, 7]]
    assert index.read(1) == (tmp_path / os.fsdecode(b"\xff.png")).read_bytes()
    assert index.read(0) == index.read(2)
    assert seen == [(6, 6)]


def test_an_index_of_nothing_good_is_empty():
    index, faults = indexed(["gone.png"], lambda _done, _of: None)
    assert len(index) == 0
    assert list(faults) == [0]


def test_a_png_that_ends_too_early_is_known_before_it_is_decoded(tmp_path):
    whole = tmp_path / "whole.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)).save(whole)
    data = whole.read_bytes()
    names = [str(whole)]
    for cut in (len(data) - 1, len(data) - 12, len(data) // 2, 60):
        (tmp_path / f"{cut}.png").write_bytes(data[:cut])
        names.append(str(tmp_path / f"{cut}.png"))
    (tmp_path / "more.png").write_bytes(data + b"what follows the end")
    names.append(str(tmp_path / "more.png"))
    index, faults = indexed(names, lambda _done, _of: None)
    assert faults == dict.fromkeys((1, 2, 3, 4), "is damaged or cut off")
    assert index.labels.tolist() == [0, 5]
