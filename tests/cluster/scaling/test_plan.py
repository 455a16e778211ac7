import json

import pytest
from tests.faults.processes import imgcls

BANDWIDTH = ["--bandwidth", "100Gbit"]


def test_a_forecast_from_a_given_speed_measures_nothing_and_says_what_it_assumes(tmp_path):
    speed = ["--speed", "256:2470", "--set", "train.batch_size=256"]
    ended = imgcls("plan", "imagenet_resnet50", *BANDWIDTH, *speed, "--workers", "16,512", cwd=tmp_path)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    assert "gradients of 102.2 MB in float32, in a ring over 100 Gbit/s, 20 us a message" in ended.out
    assert "not 512: a worker must have a sample of each 256" in ended.out
    assert "NVIDIA's example for PyTorch): 2,470 -> 16,621 images/s, efficiency 84 %" in ended.out
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bandwidth", "100"], "'100' is no bandwidth; write it as 100Gbit or 12.5GB"),
        (["--bandwidth", "0Gbit"], "'0Gbit' is no bandwidth"),
        ([*BANDWIDTH, "--latency", "5"], "'5' is no duration; write it as 20us or 0.5ms"),
        ([*BANDWIDTH, "--speed", "2470"], "'2470' is not of the form BATCH:IMAGES_PER_SECOND"),
        ([*BANDWIDTH, "--workers", "0,4"], "'0,4' is no list of numbers of workers"),
        ([], "Missing option '--bandwidth'"),
        ([*BANDWIDTH, "--set", "modle=1"], "modle"),
    ],
)
def test_what_cannot_be_meant_is_named(words, message, tmp_path):
    ended = imgcls("plan", "digits_lenet", *words, cwd=tmp_path)
    assert ended.code == 2, ended
    assert message in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_measurements_of_this_machine_are_fitted_kept_and_used_again(tmp_path):
    words = [
        "plan",
        "digits_lenet",
        *BANDWIDTH,
        "--measure",
        "1,2",
        "--seconds",
        "2",
        "--measurements",
        "here.json",
    ]
    first = imgcls(*words, "--json", cwd=tmp_path)
    assert first.code == 0, first
    assert first.err.splitlines() == [
        "measuring 1 of 3: 1 worker, batch 64",
        "measuring 2 of 3: 1 worker, batch 32",
        "measuring 3 of 3: 2 workers, batch 64",
    ]
    found = json.loads(first.out)
    assert [(row["workers"], row["batch"]) for row in found["measured"]] == [(1, 64), (1, 32), (2, 64)]
    assert all(row["seconds"] > 0 and row["steps"] > 3 for row in found["measured"])
    assert [row["workers"] for row in found["worker_batch_kept"]] == [1, 16, 64, 256]
    assert [row["workers"] for row in found["global_batch_kept"]] == [1, 16, 64]
    again = imgcls(*words, "--json", cwd=tmp_path)
    assert (again.code, again.err) == (0, "")
    assert json.loads(again.out) == found
    other = imgcls(*words, "--set", "train.batch_size=128", cwd=tmp_path)
    assert other.code == 2
    assert "here.json: is of another recipe or other values; name another file" in other.err
