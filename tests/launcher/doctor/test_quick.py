"""What a launch says of this machine before it starts Ray."""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import pytest

from imgcls.doctor import machine
from imgcls.doctor.quick import notes

GIB = 1 << 30


@pytest.fixture
def roomy(monkeypatch):
    """A machine with enough of all."""
    enough = {"free": 500 * GIB, "total": 500 * GIB}
    monkeypatch.setattr(machine, "memory", lambda: enough)
    monkeypatch.setattr(machine, "shared_memory", lambda: enough)
    monkeypatch.setattr(machine, "disk", lambda _path: enough)
    monkeypatch.setattr(machine, "open_files", lambda: {"soft": 65536, "hard": 65536})
    return monkeypatch


def test_where_there_is_enough_nothing_is_said(roomy, tmp_path):
    assert notes(16, tmp_path) == []


def test_each_thing_that_is_short_is_said_with_what_mends_it(roomy, tmp_path):
    little = {"free": 50 << 20, "total": 64 << 20}
    roomy.setattr(machine, "memory", lambda: {"free": GIB, "total": 2 * GIB})
    roomy.setattr(machine, "shared_memory", lambda: little)
    roomy.setattr(machine, "disk", lambda _path: little)
    roomy.setattr(machine, "open_files", lambda: {"soft": 256, "hard": 256})
    memory, shm, files, storage = notes(4, tmp_path)
    assert memory.startswith("memory, here: 1.0 of 2.0 GiB free, 4 workers need about 1.8")
    assert "docker run --shm-size" in shm
    assert files.endswith("ulimit -n 65536")
    assert storage.startswith("storage, here: 50 MiB free; free space")


def test_without_ray_its_shared_memory_does_not_matter(roomy, tmp_path):
    roomy.setattr(machine, "shared_memory", dict)
    assert notes(0, tmp_path) == []
    assert len(notes(1, tmp_path)) == 1


def test_it_takes_milliseconds(tmp_path):
    took = []
    for _ in range(5):
        began = time.perf_counter()
        notes(4, tmp_path)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.05


def test_a_launch_says_it_and_trains_all_the_same(tmp_path):
    few = 512
    ended = subprocess.run(
        [sys.executable, "-m", "imgcls", "launch", "digits_lenet", "--workers", "0", "--set", "train.epochs=2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (few, few)),
    )
    assert ended.returncode == 0, ended.stderr
    assert f"note: open files, here: {few} at most, 1024 are few; ulimit -n 65536" in ended.stdout
