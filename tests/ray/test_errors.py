"""What goes wrong in a worker reaches the user once, by name, and is not tried again."""

import json
import socket
import time
from pathlib import Path

import pytest
from PIL import Image
from tests.faults import plugin
from tests.faults.processes import imgcls

_RECIPE = """
seed = 1
model = "{model}"
data = "digits"
optimizer = {{ name = "sgd", lr = 0.05 }}
train = {{ epochs = 1, batch_size = 64 }}
"""


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    return plugin.install(tmp_path / "plugin")


def test_what_a_model_prints_lands_in_its_workers_log(tmp_path, faulty):
    (tmp_path / "x.toml").write_text(_RECIPE.format(model="faulty:prints"))
    ended = imgcls("launch", "x.toml", "--workers", 2, cwd=tmp_path, path=faulty)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    assert "built by rank" not in ended.out, ended
    for rank in (0, 1):
        log = (tmp_path / f"runs/x/logs/worker-{rank}.log").read_text()
        for stream in ("standard output", "standard error"):
            assert f"built by rank {rank} on {stream}" in log
        assert f"built by rank {1 - rank}" not in log


def test_an_error_of_one_worker_is_shown_once_with_rank_host_and_its_own_traceback(tmp_path, faulty):
    (tmp_path / "x.toml").write_text(_RECIPE.format(model="faulty:raises"))
    ended = imgcls("launch", "x.toml", "--workers", 2, cwd=tmp_path, path=faulty)
    ended_at = time.time()
    assert ended.code == 1, ended
    assert ended.err.startswith(f"worker 1 on {socket.gethostname()}:\nTraceback (most recent call last):"), ended
    assert ended.err.rstrip().endswith("ValueError: the moon is in the wrong phase"), ended
    assert ended.err.count("Traceback") == 1, ended
    assert (ended.out + ended.err).count("the moon is in the wrong phase\n") == 1, ended
    assert 'faulty_parts.py", line' in ended.err, ended
    # neither the other worker's lost connection nor Ray's own frames
    for word in ("gloo", "RayTaskError", "TrainingFailedError", "site-packages/ray"):
        assert word not in ended.err, ended
    log = (tmp_path / "runs/x/logs/worker-1.log").read_text()
    events = (tmp_path / "runs/x/events.jsonl").read_text().splitlines()
    assert [json.loads(event)["kind"] for event in events].count("run") == 1, "it was tried again"
    assert log.count("built once more") == 1, "printed twice"
    record = json.loads((tmp_path / "runs/x/errors/rank-1.json").read_text())
    assert ended_at - record["time"] < 20, "the user waits for what is known already"


def _folder_with_a_cut_picture(folder: Path) -> Path:
    """Two classes of twelve; one picture ends in the middle, behind a header that says nothing of it."""
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        for number in range(12):
            noise = Image.effect_noise((120, 100), 40 + 5 * number).convert("RGB")
            noise.save(folder / label / f"{number:02}.jpg", quality=90)
    cut = folder / "b/cut off.jpg"
    whole = (folder / "b/00.jpg").read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    return cut


_PICTURES = """
seed = 1
model = "lenet5"
data = { name = "image_folder", root = "pictures", validation = 0.2 }
optimizer = { name = "sgd", lr = 0.01 }
augment = [{ name = "random_resized_crop" }]
train = { epochs = 3, batch_size = 4 }
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_a_picture_that_is_cut_off_is_named_when_it_is_met_and_nothing_else_is_said(tmp_path, workers):
    cut = _folder_with_a_cut_picture(tmp_path / "pictures")
    (tmp_path / "x.toml").write_text(_PICTURES)
    ended = imgcls("launch", "x.toml", "--workers", workers, cwd=tmp_path)
    assert ended.code == 2, ended
    assert "cut off.jpg" in ended.err, ended
    assert cut.name in ended.err.splitlines()[0], ended
    assert len(ended.err.splitlines()) <= 3, ended
    assert "Traceback" not in ended.out + ended.err, ended
    assert "lenet5 on image_folder" in ended.out, "it was found in training, not before"
    assert not (tmp_path / "runs/x/result.json").exists()


def test_a_temporary_folder_that_is_too_long_for_ray_is_said_before_it_starts(tmp_path, run_imgcls):
    (tmp_path / "x.toml").write_text(_RECIPE.format(model="lenet5"))
    for name in ("TMPDIR", "RAY_TMPDIR"):
        long = tmp_path / ("long" * 10)
        long.mkdir(exist_ok=True)
        ended = run_imgcls("launch", "x.toml", "--workers", 1, env={name: str(long)})
        assert ended.returncode == 2, ended.stderr
        assert f"{name} = {long}: is too long" in ended.stderr
        assert "Traceback" not in ended.stderr
