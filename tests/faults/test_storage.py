"""Storage that fails under a run: a disk that is full for a while or stays so, read-only, away, or damaged."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.faults.processes import Launch, assert_same_end, imgcls
from tests.faults.recipes import EVERY, STEPS

_MEGABYTES = 24


def _can_mount(folder: Path) -> bool:
    if os.geteuid() != 0:
        return False
    ended = subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True, check=False)
    if ended.returncode == 0:
        subprocess.run(["umount", folder], check=True)
    return ended.returncode == 0


@contextmanager
def _mounted(*arguments: object) -> Iterator[None]:
    folder = arguments[-1]
    subprocess.run(["mount", *map(str, arguments)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def disk(alone: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder for runs that is a small disk of its own, beside the recipe and the undisturbed run."""
    if not _can_mount(tmp_path):
        pytest.skip("mounting a disk needs root")
    folder = alone / f"disk-{tmp_path.name}"
    folder.mkdir()
    with _mounted("-t", "tmpfs", "-o", f"size={_MEGABYTES}m", "none", folder):
        yield folder


def _arguments(disk: Path, workers: int = 0, wait: float = 300) -> list[object]:
    settings = ["--set", f"checkpoint.wait_seconds={wait}"]
    return ["launch", "small_steps.toml", "--workers", workers, "--storage", disk.name, "--name", "run", *settings]


def _launch(disk: Path, workers: int = 0, wait: float = 300) -> Launch:
    launch = Launch(_arguments(disk, workers, wait), disk.parent)
    launch.folder = disk / "run"
    return launch


def _begun(launch: Launch) -> None:
    """Wait for the first checkpoint: from then on the run cannot end without writing others."""
    first = launch.folder / "checkpoints" / f"step-{EVERY:08d}"
    launch.wait_for("the first checkpoint", first.exists)


def _fill(disk: Path) -> Path:
    """Take all the room that a disk has, to the last byte."""
    file = disk / "another's"
    with file.open("wb", buffering=0) as out, suppress(OSError):
        while out.write(bytes(1 << 12)):
            pass
    return file


def _assert_unharmed(alone: Path, run: Path) -> None:
    """The run has the undisturbed one's end, and every line of its metrics; nothing half-written is left."""
    assert_same_end(alone / "runs/undisturbed", run)
    assert (run / "metrics.jsonl").read_text() == (alone / "runs/undisturbed/metrics.jsonl").read_text()
    assert not list((run / "checkpoints").glob(".*"))


def _warnings(out: str) -> list[str]:
    return [line for line in out.splitlines() if line.startswith("warning:")]


def test_a_disk_that_is_full_for_a_while_holds_up_nothing_and_changes_no_bit(alone, disk):
    with _launch(disk) as launch:
        _begun(launch)
        others = _fill(disk)
        launch.wait_for("the warning", lambda: "warning:" in launch.out)
        launch.wait_for("training that goes on", lambda: "epoch   1/2" in launch.out)
        others.unlink()
        ended = launch.ended()
    assert ended.code == 0, ended
    (warning,) = _warnings(ended.out)
    assert "No space left on device; training goes on" in warning, ended
    assert "checkpoints can be written again" in ended.out, ended
    _assert_unharmed(alone, disk / "run")


@pytest.mark.slow
def test_a_disk_that_stays_full_ends_the_run_with_one_message_and_the_run_continues_when_there_is_room(
    alone, disk
):
    with _launch(disk, wait=1) as launch:
        _begun(launch)
        others = _fill(disk)
        kept = {path.name for path in (disk / "run/checkpoints").glob("step-*")}
        ended = launch.ended()
    assert ended.code == 1, ended
    message = ended.err.strip().splitlines()
    assert "the last checkpoint could not be written within 1 s: No space left on device" in message[0], ended
    assert "is kept, and the run continues from there; free space" in message[1], ended
    assert len(message) == 2, ended
    assert kept & {path.name for path in (disk / "run/checkpoints").glob("step-*")}
    refused = imgcls(*_arguments(disk), cwd=alone)
    assert refused.code == 2, refused
    assert "No space left on device; free space" in refused.err, refused
    others.unlink()
    again = imgcls(*_arguments(disk), cwd=alone)
    assert again.code == 0, again
    assert "continuing after step" in again.out, again
    _assert_unharmed(alone, disk / "run")


@pytest.mark.slow
def test_ctrl_c_on_a_full_disk_waits_for_room_for_the_last_checkpoint(alone, disk):
    with _launch(disk) as launch:
        _begun(launch)
        others = _fill(disk)
        launch.interrupt()
        launch.wait_for("the warning", lambda: "warning:" in launch.out)
        others.unlink()
        ended = launch.ended()
    assert ended.code in (0, 130), ended  # 0: it had come to its end
    again = imgcls(*_arguments(disk), cwd=alone)
    assert again.code == 0, again
    _assert_unharmed(alone, disk / "run")


@pytest.mark.slow
def test_storage_that_is_read_only_for_a_while_loses_no_line_and_no_bit(alone, disk):
    with _launch(disk) as launch:
        _begun(launch)
        with _mounted("--bind", disk, disk):
            subprocess.run(["mount", "-o", "remount,bind,ro", str(disk)], check=True)
            launch.wait_for("the warning", lambda: "Read-only file system; training goes on" in launch.out)
            launch.wait_for("training that goes on", lambda: "epoch   1/2" in launch.out)
        ended = launch.ended()
    assert ended.code == 0, ended
    assert len(_warnings(ended.out)) == 1, ended
    _assert_unharmed(alone, disk / "run")


@pytest.mark.slow
def test_storage_that_is_not_mounted_for_a_while_leaves_nothing_in_its_place(alone, disk):
    with _launch(disk) as launch:
        _begun(launch)
        with _mounted("-t", "tmpfs", "none", disk):
            launch.wait_for("the warning", lambda: "No such file or directory; training goes on" in launch.out)
            launch.wait_for("training that goes on", lambda: "epoch   1/2" in launch.out)
            assert not list(disk.iterdir())
        ended = launch.ended()
    assert ended.code == 0, ended
    _assert_unharmed(alone, disk / "run")


@pytest.fixture(scope="module")
def killed(alone: Path) -> Path:
    """A run that was killed in its second epoch, with two checkpoints in any case."""
    with Launch(
        ["launch", "small_steps.toml", "--workers", 0, "--name", "killed"], alone, name="killed"
    ) as launch:
        launch.wait_for_step(STEPS + EVERY)
        launch.kill()
    assert not (alone / "runs/killed/result.json").exists()
    return alone / "runs/killed"


def _copy(run: Path, name: str) -> list[Path]:
    """Copy a run, and return the copy's checkpoints, newest first."""
    shutil.copytree(run, run.with_name(name))
    return sorted((run.with_name(name) / "checkpoints").glob("step-*"), reverse=True)


def test_after_a_kill_a_newest_checkpoint_that_is_cut_off_is_passed_over(alone, killed):
    newest, before, *_ = _copy(killed, "cut-off")
    file = newest / "optimizer.safetensors"
    os.truncate(file, file.stat().st_size // 2)
    ended = imgcls("launch", "small_steps.toml", "--workers", 0, "--name", "cut-off", cwd=alone)
    assert ended.code == 0, ended
    assert f"{newest.name}: optimizer.safetensors is not what was written; passed over" in ended.out, ended
    assert f"continuing after step {int(before.name.removeprefix('step-'))} " in ended.out, ended
    _assert_unharmed(alone, alone / "runs/cut-off")


def _work(run: Path) -> dict[Path, bytes]:
    files = [run / "metrics.jsonl", *(run / "checkpoints").rglob("*")]
    return {path: path.read_bytes() for path in files if path.is_file()}


def test_where_every_checkpoint_is_damaged_nothing_is_begun_anew_and_nothing_is_touched(alone, killed):
    for checkpoint in _copy(killed, "all-damaged"):
        data = bytearray((checkpoint / "model.safetensors").read_bytes())
        data[len(data) // 2] ^= 1
        (checkpoint / "model.safetensors").write_bytes(data)
    run = alone / "runs/all-damaged"
    before = _work(run)
    ended = imgcls("launch", "small_steps.toml", "--workers", 0, "--name", "all-damaged", cwd=alone)
    assert ended.code == 2, ended
    assert "no checkpoint of this run is whole, and nothing was changed" in ended.err, ended
    assert ended.err.count("model.safetensors is not what was written") >= 2, ended
    assert "give this run another --name to begin anew" in ended.err, ended
    assert "Traceback" not in ended.err, ended
    assert _work(run) == before


@pytest.mark.slow
def test_a_disk_that_is_full_for_a_while_holds_up_two_workers_neither(two, tmp_path):
    if not _can_mount(tmp_path):
        pytest.skip("mounting a disk needs root")
    disk = two / "disk"
    disk.mkdir()
    with _mounted("-t", "tmpfs", "-o", f"size={4 * _MEGABYTES}m", "none", disk):
        with _launch(disk, workers=2) as launch:
            _begun(launch)
            others = _fill(disk)
            # room for events, not for a checkpoint: workers are heard through the storage alone
            os.truncate(others, others.stat().st_size - (1 << 18))
            launch.wait_for("the warning", lambda: "No space left on device; training goes on" in launch.out)
            others.unlink()
            ended = launch.ended()
            launch.nothing_left(within=10)
        assert ended.code == 0, ended
        _assert_unharmed(two, disk / "run")
