"""``imgcls doctor`` on this machine, as a user gives it."""

from __future__ import annotations

import json
import time

import pytest

WELL = {"RAY_ADDRESS": "", "RAY_AUTH_TOKEN_PATH": "/nonexistent"}


def findings(ended, code):
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return {each["check"]: each for each in json.loads(ended.stdout)}


def test_a_machine_that_is_ready_is_said_to_be_so_and_nothing_is_left(run_imgcls, tmp_path):
    ended = run_imgcls("doctor", env=WELL)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    checks = [line.split()[0] for line in ended.stdout.splitlines()[:-1] if not line.startswith(" ")]
    assert {"versions", "code", "memory", "/dev/shm", "open", "storage"} <= set(checks)
    assert "imgcls 0.1.0, torch 2." in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_with_a_recipe_its_data_is_indexed_and_told_of(run_imgcls, tmp_path):
    found = findings(run_imgcls("doctor", "digits_lenet", "--json", env=WELL), 0)
    assert found["data"]["status"] == "ok"
    assert found["data"]["detail"].startswith("train 1,438 samples, index ")
    assert set(found["data"]) == {"check", "node", "status", "detail", "mend"}
    assert len(list((tmp_path / "runs/.index").iterdir())) == 2


def test_data_that_is_missing_is_an_error_beside_all_that_is_well(run_imgcls, tmp_path):
    missing = ["--set", f'data.root="{tmp_path}/none"']
    found = findings(run_imgcls("doctor", "folder_resnet18", *missing, "--json", env=WELL), 1)
    assert found["data"]["status"] == "error"
    assert f"{tmp_path}/none" in found["data"]["detail"]
    assert found["storage"]["status"] == "ok"


def test_a_storage_that_cannot_be_written_is_an_error(run_imgcls, tmp_path):
    (tmp_path / "file").write_text("mine")
    found = findings(run_imgcls("doctor", "digits_lenet", "--storage", "file/runs", "--json", env=WELL), 1)
    assert "cannot be written: Not a directory" in found["storage"]["detail"]
    assert (tmp_path / "file").read_text() == "mine"


def test_workers_that_no_memory_is_there_for_are_a_warning(run_imgcls):
    found = findings(run_imgcls("doctor", "--workers", "4000", "--json", env=WELL), 0)
    assert found["memory"]["status"] == "warning"
    assert "4000 workers need about" in found["memory"]["detail"]


def test_a_dead_ray_address_is_named_within_seconds_and_not_waited_for(run_imgcls):
    began = time.monotonic()
    found = findings(run_imgcls("doctor", "--json", env={**WELL, "RAY_ADDRESS": "127.0.0.1:1"}), 0)
    assert found["address"]["status"] == "warning"
    assert "RAY_ADDRESS = 127.0.0.1:1 is left aside, and no cluster answers there" in found["address"]["detail"]
    assert found["address"]["mend"] == "unset RAY_ADDRESS"
    assert time.monotonic() - began < 40


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--address", "127.0.0.1:1"], "--address 127.0.0.1:1: nothing can be reached there"),
        (["--address", "nonsense"], "expected HOST:PORT"),
        (["no_such_recipe"], "no_such_recipe"),
        (["digits_lenet", "--set", "optimizer.lrr=1"], "did you mean 'lr'?"),
        (["--set", "optimizer.lr=1"], "--set lays values over a recipe"),
    ],
)
def test_where_nothing_can_be_looked_at_the_exit_code_is_2(run_imgcls, words, message):
    ended = run_imgcls("doctor", *words, env=WELL)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
