import os
import signal
import subprocess
import sys

import pytest

from imgcls.errors import UserError
from imgcls.run_folder import RunFolder, read_json, write_whole

HOLD = """
import sys, time
from pathlib import Path
from imgcls.run_folder import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "runs" / "one")
    made.create()
    return made


@pytest.fixture
def holder(folder):
    with subprocess.Popen([sys.executable, "-c", HOLD, folder.path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_create_makes_the_folder_and_leaves_nothing_else(folder):
    folder.create()
    assert sorted(path.name for path in folder.path.iterdir()) == ["checkpoints", "errors", "logs"]


def test_a_storage_that_is_a_file_is_refused_with_the_option_to_set(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(
        UserError, match=r"the storage .*/runs/one cannot be written: .*; free space or set --storage"
    ):
        RunFolder(tmp_path / "runs" / "one").create()


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be written: File name too long"):
        RunFolder(tmp_path / ("a" * 300)).create()


def test_a_folder_held_by_another_process_is_refused_with_its_number(folder, holder):
    with pytest.raises(UserError) as caught, folder.locked():
        pass
    assert str(caught.value).startswith(f"{folder.path} is in use by process {holder.pid} on ")
    assert "--name" in str(caught.value)


def test_a_killed_process_holds_no_folder(folder, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with folder.locked():
        assert f"process {os.getpid()} " in (folder.path / ".lock").read_text()


def test_a_folder_is_free_after_an_error_within(folder):
    with pytest.raises(RuntimeError), folder.locked():
        raise RuntimeError
    with folder.locked():
        pass


def test_two_runs_of_one_storage_do_not_hold_each_other_up(folder, holder):
    other = RunFolder(folder.path.with_name("two"))
    other.create()
    with other.locked():
        assert other.index_cache == folder.index_cache


def test_begin_forgets_what_the_last_launch_told_and_keeps_the_results(folder):
    folder.stop.touch()
    folder.events.write_text("{}\n")
    (folder.errors / "rank-0.json").write_text("{}")
    folder.metrics.write_text("kept")
    folder.begin()
    assert not folder.stop.exists()
    assert folder.events.read_text() == ""
    assert list(folder.errors.iterdir()) == []
    assert folder.metrics.read_text() == "kept"


def test_begin_takes_a_folder_that_was_never_used(folder):
    folder.begin()
    assert folder.events.read_text() == ""


def test_a_file_is_written_whole_over_an_old_one_and_leaves_no_other(folder):
    write_whole(folder.result, '{"top1": 1}')
    write_whole(folder.result, '{"top1": "é"}')
    assert read_json(folder.result) == {"top1": "é"}
    assert sorted(path.name for path in folder.path.glob("*result*")) == ["result.json"]
    assert list(folder.path.glob(".result*")) == []
