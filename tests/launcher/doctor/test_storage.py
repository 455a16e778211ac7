"""The note in the storage and its answers, with real folders."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from imgcls.doctor.storage import Probe, answered, storage_probe, visited


def test_a_node_with_the_same_folder_reads_the_note_and_is_read(tmp_path):
    with storage_probe(str(tmp_path)) as probe:
        answer = visited(probe, "n1")
        assert answer["error"] == ""
        assert answer["free"] > 0
        assert answered(probe, {"n1": answer}) == {"n1": answer}
    assert list(tmp_path.iterdir()) == []


def test_a_storage_that_was_not_there_is_not_there_afterwards(tmp_path):
    with storage_probe(str(tmp_path / "a/runs")) as probe:
        assert visited(probe, "n1")["error"] == ""
    assert list(tmp_path.iterdir()) == []


def test_what_a_launch_made_in_the_storage_meanwhile_stays(tmp_path):
    with storage_probe(str(tmp_path / "a/runs")):
        (tmp_path / "a/runs/run").mkdir()
    assert [path.name for path in (tmp_path / "a/runs").iterdir()] == ["run"]


def test_another_folder_under_the_same_name_is_found(tmp_path):
    with storage_probe(str(tmp_path)) as probe:
        shutil.rmtree(probe.folder)
        assert "is another folder there" in str(visited(probe, "n1")["error"])


def test_a_folder_that_a_node_has_not_is_not_made_there(tmp_path):
    missing = Probe(str(tmp_path / "no"), str(tmp_path / "no/.doctor-1"), "token")
    assert "there is no folder" in str(visited(missing, "n1")["error"])
    assert list(tmp_path.iterdir()) == []


def test_an_old_note_of_the_same_name_is_not_taken_for_ours(tmp_path):
    with storage_probe(str(tmp_path)) as probe:
        assert "is another folder there" in str(visited(replace(probe, token="another"), "n1")["error"])


def test_a_node_that_wrote_to_another_folder_is_found_from_here(tmp_path):
    with storage_probe(str(tmp_path)) as probe:
        unseen = {"error": "", "free": 1}
        (answer,) = answered(probe, {"n1": unseen}).values()
    assert "is not seen here" in str(answer["error"])


@pytest.fixture
def read_only(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    with storage_probe(str(tmp_path)) as probe:
        if subprocess.run(["mount", "--bind", tmp_path, tmp_path], check=False).returncode:
            pytest.skip("mounting is refused")
        subprocess.run(["mount", "-o", "remount,bind,ro", str(tmp_path)], check=True)
        try:
            yield probe
        finally:
            subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_storage_that_can_only_be_read_is_said_to_be_that(read_only):
    assert "cannot be written: Read-only file system" in str(visited(read_only, "n1")["error"])


def test_what_a_killed_doctor_left_is_removed_an_hour_later_and_nothing_else(tmp_path):
    old, new, other = (tmp_path / name for name in (".doctor-old", ".doctor-new", "run"))
    for folder in (old, new, other):
        folder.mkdir()
    for folder in (old, other):
        os.utime(folder, (0, 0))
    with storage_probe(str(tmp_path)):
        assert not old.exists()
    assert new.exists()
    assert other.exists()


def test_an_address_is_written_and_read_by_each_node(tmp_path, monkeypatch):
    address = f"memory://doctor-{os.getpid()}/runs"
    with storage_probe(address) as probe:
        assert probe == Probe(address)
        assert visited(probe, "n1") == {"error": "", "free": -1}
    with storage_probe("nonsense://bucket/runs") as probe:
        assert "nonsense" in str(visited(probe, "n1")["error"])


def test_a_file_address_is_a_folder(tmp_path):
    with storage_probe(f"file://{tmp_path}") as probe:
        assert Path(probe.folder).parent == tmp_path
