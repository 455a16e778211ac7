"""What a machine has left; a container's limits and nvidia-smi are files and a script made here."""

from __future__ import annotations

import os
import resource

import pytest

from imgcls.doctor import machine

MEMINFO = "MemTotal:       16000 kB\nMemFree:         100 kB\nMemAvailable:    9000 kB\n"


def cgroup(folder, most, used, cached):
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\nactive_file {cached}\ninactive_file 0\n")
    return folder


@pytest.fixture
def meminfo(tmp_path):
    (tmp_path / "meminfo").write_text(MEMINFO)
    return tmp_path / "meminfo"


def test_this_machines_memory_is_told():
    found = machine.memory()
    assert 0 < found["free"] <= found["total"]


def test_a_containers_limit_is_the_memory_and_what_it_caches_of_files_is_free(meminfo, tmp_path):
    assert machine.memory(meminfo, tmp_path) == {"free": 9000 << 10, "total": 16000 << 10}
    limited = cgroup(tmp_path, 8000 << 10, 7000 << 10, 3000 << 10)
    assert machine.memory(meminfo, limited) == {"free": 4000 << 10, "total": 8000 << 10}


@pytest.mark.parametrize("most", ["max", 99_000 << 10])
def test_a_limit_above_the_machines_memory_is_none(meminfo, tmp_path, most):
    assert machine.memory(meminfo, cgroup(tmp_path, most, 0, 0))["total"] == 16000 << 10


def test_a_folder_that_is_not_there_yet_has_the_room_of_the_one_above(tmp_path):
    assert machine.disk(tmp_path / "a/b")["total"] == machine.disk(tmp_path)["total"] > 0


def test_the_limit_of_open_files_is_this_process_own():
    assert machine.open_files()["soft"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    def write(text):
        file = tmp_path / "nvidia-smi"
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return write


def test_each_gpu_is_told_with_bytes(nvidia_smi):
    nvidia_smi("echo 'NVIDIA H100, 80GB, 580.65.06, 81559, 81079'\necho 'NVIDIA GB10, 580.65.06, [N/A], [N/A]'")
    first, second = machine.gpus()[0]
    assert first == {"name": "NVIDIA H100, 80GB", "driver": "580.65.06", "total": 81559 << 20, "free": 81079 << 20}
    assert (second["total"], second["free"]) == (0, 0)


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (
            "echo 'NVIDIA-SMI has failed because it cannot talk to the driver.'\nexit 9",
            "cannot talk to the driver",
        ),
        ("exit 3", "nvidia-smi ended with 3"),
        ("echo what", "answers in an unknown way: what"),
    ],
)
def test_an_nvidia_smi_that_fails_is_told_of(nvidia_smi, script, complaint):
    nvidia_smi(script)
    gpus, told = machine.gpus()
    assert gpus == []
    assert complaint in told


def test_an_nvidia_smi_that_hangs_is_given_up(nvidia_smi, monkeypatch):
    monkeypatch.setattr(machine, "_PATIENCE", 0.2)
    nvidia_smi("exec sleep 60")
    assert "does not answer" in machine.gpus()[1]


def test_without_nvidia_smi_there_is_no_gpu(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.gpus() == ([], "")
