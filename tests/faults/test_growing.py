"""Images that grow in a real launch: told, killed with ``kill -9``, and continued to the same bits."""

import signal
from pathlib import Path

import pytest
from tests.faults.processes import Launch, assert_same_end, imgcls, metrics, result
from tests.faults.recipes import small_steps

STEPS = 23  # in an epoch: 1,438 images in batches of 64
FEWER = ["--set", "train.batch_size=64", "--set", "checkpoint.every_steps=10"]
GROWING = """
model = "resnet20_cifar"
input = { size = 12, channels = 1 }
progressive = { size = 4, end = 2, multiple = 4 }
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_while_images_grow_a_launch_continues_exactly(tmp_path: Path) -> None:
    small_steps(tmp_path, epochs=3, more=GROWING)
    arguments = ["launch", "small_steps.toml", *FEWER, "--workers", 0, "--cpus-per-worker", 1, "--name"]
    whole = imgcls(*arguments, "whole", cwd=tmp_path, limit=600)
    assert whole.code == 0, whole
    assert "images grow: 4 in epoch 1, 8 in epoch 2, 12 in epoch 3 pixels; evaluated at 12" in whole.out
    assert result(tmp_path / "runs/whole")["top1"] > 20  # after 69 steps; chance is 10
    with Launch([*arguments, "killed"], tmp_path, name="killed") as launch:
        launch.wait_for_step(STEPS + 5)  # of the second size
        launch.kill()
    assert launch.process.returncode == -signal.SIGKILL
    again = imgcls(*arguments, "killed", cwd=tmp_path, limit=600)
    assert again.code == 0, again
    assert_same_end(tmp_path / "runs/whole", tmp_path / "runs/killed")
    assert metrics(tmp_path / "runs/whole", "epoch") == metrics(tmp_path / "runs/killed", "epoch")


def test_a_model_that_takes_one_size_is_refused_in_one_line(tmp_path: Path) -> None:
    recipe = small_steps(tmp_path, more="input = { train_size = 20 }")
    ended = imgcls("launch", recipe, "--workers", 0, cwd=tmp_path, limit=600)
    assert ended.code == 2, ended
    assert "lenet5 does not take images of 20 pixels, but takes 32: " in ended.err
    assert "Traceback" not in ended.out + ended.err
