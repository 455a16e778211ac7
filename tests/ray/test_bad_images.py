"""on_bad_image = "skip": a run names and counts what it leaves out, on every number of workers, and goes on exactly."""

import json

import numpy as np
import pytest
from PIL import Image
from tests.faults.processes import Launch, assert_same_end, imgcls, metrics, result

_RECIPE = """
seed = 2
model = "lenet5"
data = { name = "image_folder", root = "pictures", validation = 0.2, on_bad_image = "skip" }
optimizer = { name = "sgd", lr = 0.01 }
augment = [{ name = "random_resized_crop" }, { name = "mixup", probability = 0.5 }]
train = { epochs = 3, batch_size = 8, eval_batch_size = 16 }
checkpoint = { every_steps = 1 }
input = { channels = 3 }
sampling = { balance = 1.0 }
"""
_GOOD, _BAD = 75, ("cut off.jpg", "no picture.jpg", "empty.jpg")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three classes of twenty-five pictures; beside them one that is cut off, a text and an empty file."""
    folder = tmp_path_factory.mktemp("skipping")
    chance = np.random.default_rng(0)
    for label in range(3):
        (folder / f"pictures/{label}").mkdir(parents=True)
        for number in range(25):
            pixels = chance.integers(0, 200, (50 + number, 60, 3)).astype(np.uint8)
            pixels[..., label] += 55
            Image.fromarray(pixels).save(folder / f"pictures/{label}/{number:02}.jpg", quality=90)
    whole = (folder / "pictures/1/00.jpg").read_bytes()
    (folder / "pictures/1/cut off.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "pictures/2/no picture.jpg").write_text("a shopping list")
    (folder / "pictures/0/empty.jpg").touch()
    (folder / "x.toml").write_text(_RECIPE)
    return folder


@pytest.fixture(scope="module")
def alone(folder):
    ended = imgcls("launch", "x.toml", "--workers", 0, "--name", "alone", cwd=folder)
    assert ended.code == 0, ended
    return ended, folder / "runs/alone"


def _left_out(run):
    return sorted(json.loads(line)["path"].rpartition("/")[2] for line in (run / "left_out.jsonl").open())


def test_each_bad_image_is_named_once_and_counted(alone):
    ended, run = alone
    for name in _BAD:
        assert ended.out.count(f"{name}: ") == 1, ended
    assert ended.err == "", ended
    assert _left_out(run) == sorted(_BAD)
    assert result(run)["left_out"] == 3
    assert "3 images left out, named in left_out.jsonl" in ended.out, ended


def test_what_is_left_is_counted_exactly(alone):
    _, run = alone
    # the cut file is only found when it is decoded: it is due in training or in validation, and counted in neither
    trained = {record["n"] for record in metrics(run, "epoch")}
    planned = json.loads((run / "plan.json").read_text())["data"]
    due = planned["train"]["samples"] + planned["validation"]["samples"]
    assert due == _GOOD + 1
    assert result(run)["n"] in (planned["validation"]["samples"], planned["validation"]["samples"] - 1)
    missing = planned["validation"]["samples"] - result(run)["n"]
    assert all(planned["train"]["samples"] - count <= 2 * (1 - missing) for count in trained)


def test_two_workers_leave_out_the_same_and_come_to_the_same_figures(folder, alone):
    _, one = alone
    ended = imgcls("launch", "x.toml", "--workers", 2, "--name", "two", cwd=folder)
    assert ended.code == 0, ended
    two = folder / "runs/two"
    assert set(_left_out(two)) == set(_BAD)
    assert result(two)["left_out"] == 3
    assert result(two)["n"] == result(one)["n"]
    for mine, theirs in zip(metrics(one, "epoch"), metrics(two, "epoch"), strict=True):
        assert mine["n"] == theirs["n"]
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-4)


def test_interrupted_and_continued_it_comes_to_the_same_weights(folder, alone):
    arguments = ("launch", "x.toml", "--workers", 0, "--name", "stopped")
    with Launch(arguments, folder) as launch:
        launch.wait_for("the first epoch", lambda: "epoch   1/3" in launch.out)
        launch.interrupt()
        code = launch.ended().code
    if code == 130:  # else it was too quick to be interrupted
        again = imgcls(*arguments, cwd=folder)
        assert again.code == 0, again
    assert_same_end(alone[1], folder / "runs/stopped")
    assert _left_out(folder / "runs/stopped") == sorted(_BAD)
