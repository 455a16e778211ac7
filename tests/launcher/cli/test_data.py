"""`imgcls data index` and `imgcls data check` as a user runs them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgcls.cli import main
from imgcls.data.prepare import prepare
from imgcls.plugins import installed
from imgcls.recipe import read
from imgcls.report.data_check import printable, summary

RECIPE = """\
model = "lenet5"
optimizer = { name = "sgd", lr = 0.1 }

[data]
name = "image_folder"
root = "pictures"

[train]
epochs = 1
batch_size = 4
"""


def noise(path, height=40, width=50, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    chance = random.Random("/".join(path.parts[-3:]))
    pixels = np.random.default_rng(chance.randrange(2**32)).integers(0, 256, (height, width, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path, **options)


@pytest.fixture
def recipe(tmp_path, write_recipe):
    """Good pictures: 12 of cats and 4 of dogs to train, 4 and 2 to validate."""
    for split, counts in (("train", (12, 4)), ("val", (4, 2))):
        for name, count in zip(("cat", "dog ü"), counts, strict=True):
            for number in range(count):
                noise(tmp_path / "pictures" / split / name / f"{split} {number}.jpg")
    return write_recipe(RECIPE)


@pytest.fixture
def here(tmp_path, monkeypatch, capfd):
    """The command in this process, where torch and DALI are imported once; what it does is the same."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["imgcls", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        return subprocess.CompletedProcess(words, ended.value.code, said.out, said.err)

    return run


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def told(ended):
    """What the command says, without its measured speed."""
    return [line for line in ended.stdout.splitlines() if "images/s" not in line]


def test_index_says_how_many_and_where(here, recipe, tmp_path):
    noise(tmp_path / "pictures/train/cat/large ß.png", 300, 200)
    noise(tmp_path / "pictures/val/cat/tiny.png", 5, 7)
    ended = here("data", "index", recipe)
    assert (ended.returncode, ended.stderr) == (0, "")
    rows = dict(line.split(maxsplit=1) for line in ended.stdout.splitlines()[:-2])
    assert rows["images"] == "24: train 17, validation 7"
    assert rows["classes"] == "2"
    assert rows["smallest"] == f"7x5  {tmp_path / 'pictures/val/cat/tiny.png'}"
    assert rows["largest"] == f"200x300  {tmp_path / 'pictures/train/cat/large ß.png'}"
    assert rows["time"].endswith(" files/s")
    paths = [Path(line.split()[-1]) for line in ended.stdout.splitlines()[-2:]]
    assert all(path.is_file() and path.parent == tmp_path / "runs/.index" for path in paths)
    again = here("data", "index", recipe)
    assert "no header had to be read" in again.stdout
    assert again.stdout.splitlines()[-2:] == ended.stdout.splitlines()[-2:]


def test_good_data_passes(here, recipe, tmp_path):
    ended = here("data", "check", recipe, "--threads", 2)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = told(ended)
    assert lines[1].startswith("train                       16          16        2   12 (cat) / 4 (dog ü) = 3.0")
    assert lines[2].endswith("         6           6        2   4 (cat) / 2 (dog ü) = 2.0")
    assert lines[-2:] == [
        "every image can be used, and none is in both splits",
        "report: runs/.index/x.check.json",
    ]
    report = json.loads((tmp_path / "runs/.index/x.check.json").read_text())
    assert report["passed"]
    assert report["findings"] == report["duplicates"] == []
    assert (report["recipe"], report["dataset"], report["threads"]) == ("x", "image_folder", 2)
    assert [path.suffix for path in (tmp_path / "runs/.index").iterdir() if path.suffix != ".parquet"] == [".json"]


def test_bad_images_are_named_and_left_out_by_a_launch(run_imgcls, recipe, tmp_path):
    cut(tmp_path / "pictures/train/dog ü/train 1.jpg")
    cut(tmp_path / "pictures/val/cat/val 2.jpg")
    ended = run_imgcls("data", "check", recipe)
    assert (ended.returncode, ended.stderr) == (1, "")
    lines = told(ended)
    start = lines.index("cut off (2):")
    assert lines[start + 1 : start + 3] == [
        f"    {tmp_path}/pictures/train/dog ü/train 1.jpg: is cut off",
        f"    {tmp_path}/pictures/val/cat/val 2.jpg: is cut off",
    ]
    assert "NOT in order: 2 images are of no use" in lines
    launched = run_imgcls("launch", recipe, "--workers", 0)
    assert launched.returncode == 0, launched
    plan = json.loads((tmp_path / "runs/x/plan.json").read_text())
    assert plan["data"]["train"]["samples"] == 15
    assert json.loads((tmp_path / "runs/x/result.json").read_text())["n"] == 5
    indexed = run_imgcls("data", "index", recipe)  # has the very index of a launch
    assert "\nleft out          2; " in indexed.stdout
    paths = [plan["data"][split]["path"] for split in ("train", "validation")]
    assert [line.split()[-1] for line in indexed.stdout.splitlines()[-2:]] == paths


def test_a_mended_image_is_used_again(here, recipe, tmp_path):
    bad = tmp_path / "pictures/train/dog ü/train 1.jpg"
    whole = bad.read_bytes()
    cut(bad)
    assert here("data", "check", recipe).returncode == 1

    def prepared():
        found = read(recipe, installed(), [f'data.root="{tmp_path}/pictures"'])
        return prepare(found, tmp_path / "runs/.index", lambda _done, _of: None)

    assert (prepared().train.samples, prepared().validation.samples) == (15, 6)
    bad.write_bytes(whole)
    assert prepared().train.samples == 16
    assert here("data", "check", recipe).returncode == 0
    assert list((tmp_path / "runs/.index").glob("*.quarantine.jsonl")) == []


def test_files_that_are_no_images_are_found_in_the_same_go(here, recipe, tmp_path):
    (tmp_path / "pictures/train/cat/text.jpg").write_text("no picture")
    (tmp_path / "pictures/val/cat/empty.jpg").touch()
    cut(tmp_path / "pictures/train/cat/train 3.jpg")
    ended = here("data", "check", recipe, "--report", "deep/er/report.json")
    assert (ended.returncode, ended.stderr) == (1, "")
    report = json.loads((tmp_path / "deep/er/report.json").read_text())
    found = [(each["kind"], each["split"], Path(each["path"]).name, each["says"]) for each in report["findings"]]
    assert found == [
        ("unreadable", "train", "text.jpg", "is not an image"),
        ("truncated", "train", "train 3.jpg", "is cut off"),
        ("empty", "validation", "empty.jpg", "is empty"),
    ]
    assert report["splits"]["train"]["images"] == 17
    assert report["splits"]["train"]["usable"] == 15
    assert "NOT in order: 3 images are of no use" in ended.stdout
    assert 'remove them, or set data.on_bad_image = "skip"' in ended.stdout


def test_where_validation_is_held_out_a_bad_file_is_told_once(here, recipe, tmp_path):
    (tmp_path / "pictures/train/cat/text.jpg").write_text("no picture")
    ended = here("data", "check", recipe, "--set", 'data.root="pictures/train"', "--set", "data.validation=0.25")
    assert ended.returncode == 1
    assert ended.stdout.count("text.jpg") == 1
    assert "NOT in order: 1 image is of no use" in ended.stdout


def test_a_leak_is_said_loudly(here, recipe, tmp_path):
    copy = tmp_path / "pictures/val/dog ü/copy.jpg"
    copy.write_bytes((tmp_path / "pictures/train/cat/train 0.jpg").read_bytes())
    ended = here("data", "check", recipe)
    assert ended.returncode == 1
    lines = told(ended)
    start = lines.index("LEAK: the same image in training and validation (1, 1 of them under different labels):")
    assert lines[start + 1] == (
        f"    train {tmp_path}/pictures/train/cat/train 0.jpg = validation {copy}: cat, dog ü"
    )
    assert "NOT in order: 1 image is in training and in validation" in lines


def test_oddities_are_told_and_pass(here, recipe, tmp_path):
    Image.new("CMYK", (40, 40)).save(tmp_path / "pictures/train/cat/ink.jpg")
    noise(tmp_path / "pictures/train/cat/png.jpg", format="PNG")
    ended = here("data", "check", recipe)
    assert ended.returncode == 0
    assert "\nCMYK; converted to RGB (1):\n" in ended.stdout
    assert "png.jpg: is named .jpg, but is a PNG image\n" in ended.stdout


def test_images_of_more_pixels_than_allowed_go_into_quarantine(here, recipe, tmp_path):
    noise(tmp_path / "pictures/val/cat/large.png", 100, 100)
    ended = here("data", "check", recipe, "--max-pixels", 9999)
    assert ended.returncode == 1
    assert "large.png: has 100x100 pixels, more than 9,999\n" in ended.stdout
    assert "in quarantine, left out of runs in this storage: 1; " in ended.stdout
    assert here("data", "check", recipe, "--max-pixels", 10000).returncode == 0


def test_pixels_in_memory_have_nothing_to_decode(here):
    ended = here("data", "check", "digits_lenet")
    assert ended.returncode == 0
    assert "pixels in memory: nothing to decode; labels and duplicates were checked\n" in ended.stdout


@pytest.mark.parametrize("command", ["index", "check"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: there is no such file"),
        (["digits_lenet", "--set", "train.epochs=0"], "train.epochs: must be"),
        (["folder_resnet18", "--set", 'data.root="gone"'], "there is no folder gone"),
        (["digits_lenet", "--storage", "file/runs"], "the storage file/runs cannot be written: Not a directory"),
        (["digits_lenet", "--thread", "1"], "--thread"),
    ],
)
def test_bad_input_is_named(here, tmp_path, command, words, said):
    (tmp_path / "file").touch()
    ended = here("data", command, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_report_that_cannot_be_written_is_said_before_anything_is_read(here, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for where in ("folder", "file/report.json"):
        ended = here("data", "check", "digits_lenet", "--report", where)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert f"--report {where} cannot be written" in ended.stderr
    assert list((tmp_path / "folder").iterdir()) == []


def test_an_index_of_bad_files_is_refused_as_a_launch_refuses_it(here, recipe, tmp_path):
    (tmp_path / "pictures/train/cat/text.jpg").write_text("no picture")
    ended = here("data", "index", recipe)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"{tmp_path}/pictures/train/cat/text.jpg: is not an image\n")
    ended = here("data", "index", recipe, "--set", 'data.on_bad_image="skip"')
    assert ended.returncode == 0
    assert "\nleft out          1; `imgcls data check` names them\n" in ended.stdout


def test_names_that_no_terminal_can_show_are_escaped():
    assert printable("schön, 日本 ok.jpg") == "schön, 日本 ok.jpg"
    assert printable("a\nb\x1b[31m.jpg") == "a\\nb\\x1b[31m.jpg"
    assert printable("latin-\udce9.jpg") == "latin-\\udce9.jpg"


def test_long_lists_are_cut_and_counted():
    split = {
        "images": 9, "usable": 0, "decoded": True, "class_counts": [0] * 9,
        "shorter_side": {"from": [0, 32], "count": [0, 0]}, "aspect": {"from": [0, 1], "count": [0, 0]},
    }  # fmt: skip
    findings = [
        {"kind": "empty", "split": "train", "path": f"{i}.jpg", "says": "is empty", "usable": False}
        for i in range(9)
    ]
    image = {"split": "train", "path": "a.jpg", "class": "0"}
    doubles = [{"across": False, "labels": 1, "images": [image, image]}] * 7
    lines = summary(
        {
            "passed": False, "classes": [*"012345678"], "splits": {"train": split},
            "findings": findings, "duplicates": doubles,
        }
    )  # fmt: skip
    assert "train: no image of 0, 1, 2, 3, 4 and 4 more" in lines
    assert lines[lines.index("empty (9):") + 5 :][:2] == ["    4.jpg: is empty", "    and 4 more"]
    assert lines[lines.index("the same image twice in one split (7):") + 6] == "    and 2 more"
    assert lines[-1] == "NOT in order: 9 images are of no use"
