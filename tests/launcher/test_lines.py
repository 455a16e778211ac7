"""Lines are written whole and in order, or wait; half of one never stays for a reader to trip over."""

import errno
import json
import os

import pytest

from imgcls import lines
from imgcls.errors import StorageError
from imgcls.lines import Backlog, append_line, append_whole
from imgcls.outage import as_os_error, may_pass, pauses, until_it_works
from imgcls.report.events import EventFile, EventFollower
from imgcls.train.journal import Journal
from imgcls.train.left_out import LeftOut


@pytest.fixture
def disk(monkeypatch):
    """The room in bytes that a disk has left: it takes a part of a line, and then says that it is full."""
    room, write = [1 << 40], os.write

    def limited(handle, data):
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = write(handle, data[: room[0]])
        room[0] -= taken
        return taken

    monkeypatch.setattr(lines.os, "write", limited)
    return room


@pytest.mark.parametrize("room", range(12))
def test_a_line_that_does_not_fit_leaves_the_file_as_it_was_and_is_written_when_there_is_room(
    tmp_path, disk, room
):
    path = tmp_path / "lines"
    append_whole(path, "first\n")
    disk[0] = room
    backlog = Backlog(lambda line: append_whole(path, line))
    backlog.add("0123456789\n")
    backlog.add("second\n")
    assert path.read_text() in ("first\n", "first\n0123456789\n")
    disk[0] = 1 << 40
    backlog.flush()
    assert path.read_text() == "first\n0123456789\nsecond\n"
    assert len(backlog) == 0


def test_a_part_that_could_not_be_removed_is_removed_before_the_next_line(tmp_path):
    path = tmp_path / "lines"
    path.write_text("first\n" + "x" * 200_000)
    append_whole(path, "second\n")
    assert path.read_text() == "first\nsecond\n"
    path.write_text("cut off")
    append_whole(path, "only\n")
    assert path.read_text() == "only\n"


def test_of_a_file_with_several_writers_nobodys_line_is_removed(tmp_path):
    path = tmp_path / "lines"
    path.write_text('{"a": 1}\n{"b": ')
    append_line(path, '{"c": 2}\n')
    assert path.read_text() == '{"a": 1}\n{"b": \n{"c": 2}\n'


def test_events_of_a_full_disk_come_later_whole_and_in_order(tmp_path, disk):
    file, follower = EventFile(tmp_path / "events"), EventFollower(tmp_path / "events")
    file.write({"n": 0})
    disk[0] = 4
    for n in range(1, 5):
        file.write({"n": n})
    assert [event["n"] for event in follower.new()] == [0]
    disk[0] = 1 << 40
    file.write({"n": 5})
    assert [event["n"] for event in follower.new()] == [1, 2, 3, 4, 5]


def test_of_events_that_cannot_be_written_the_last_thousand_are_kept(tmp_path):
    folder = tmp_path / "away"
    file = EventFile(folder / "events")
    for n in range(1500):
        file.write({"n": n})
    folder.mkdir()
    file.write({"n": 1500})
    assert [event["n"] for event in EventFollower(folder / "events").new()] == list(range(501, 1501))


class Refusing:
    """A tracker whose server is away for some time."""

    def __init__(self):
        self.is_away, self.taken = False, []

    def log(self, record):
        if self.is_away:
            raise OSError(errno.ECONNREFUSED, "Connection refused")
        self.taken.append(record["step"])

    def rewind(self, step):
        pass


def test_metrics_and_trackers_get_every_record_in_order_after_an_outage(tmp_path):
    tracker = Refusing()
    journal = Journal(tmp_path / "away" / "metrics.jsonl", [tracker])
    tracker.is_away = True
    journal.log("train", 1, 1, loss=0.5)
    journal.log("train", 2, 1, loss=0.25)
    (tmp_path / "away").mkdir()
    tracker.is_away = False
    journal.log("train", 3, 1, loss=0.125)
    steps = [json.loads(line)["step"] for line in journal.path.read_text().splitlines()]
    assert steps == tracker.taken == [1, 2, 3]


def test_lines_that_wait_are_rewound_too(tmp_path):
    tracker = Refusing()
    journal = Journal(tmp_path / "away" / "metrics.jsonl", [tracker])
    tracker.is_away = True
    for step in (1, 2, 3):
        journal.log("train", step, 1)
    journal.rewind(1)
    (tmp_path / "away").mkdir()
    tracker.is_away = False
    journal.log("train", 2, 1)
    steps = [json.loads(line)["step"] for line in journal.path.read_text().splitlines()]
    assert steps == tracker.taken == [1, 2]


def test_at_the_end_metrics_must_be_written_and_what_a_tracker_did_not_take_is_said(tmp_path):
    tracker, warnings = Refusing(), []
    journal = Journal(tmp_path / "away" / "metrics.jsonl", [tracker], warnings.append)
    tracker.is_away = True
    journal.log("train", 1, 1)
    with pytest.raises(StorageError, match=r"the last 1 lines of .*metrics.jsonl could not be written within 0 s"):
        journal.finish(0)
    (tmp_path / "away").mkdir()
    journal.finish(0)
    assert warnings == ["Refusing: the last 1 records were not taken: Connection refused"]


def test_images_that_are_left_out_are_named_in_the_file_later(tmp_path):
    warnings = []
    left_out = LeftOut(tmp_path / "away" / "left_out.jsonl", warnings.append)
    left_out("a.jpg", "is empty")
    left_out("a.jpg", "is empty")
    left_out("b.jpg", "is empty")
    assert len(warnings) == 2
    (tmp_path / "away").mkdir()
    left_out.flush()
    assert left_out.count() == 2
    with left_out.path.open("a") as file:
        file.write('{"path": "c')  # another rank, on a full disk
    left_out("d.jpg", "is empty")
    assert LeftOut(left_out.path, warnings.append).count() == 3


def test_pauses_grow_to_the_longest():
    first = [pause for _, pause in zip(range(9), pauses(), strict=False)]
    assert first == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


def test_what_works_later_is_waited_for(tmp_path):
    tries = []

    def attempt():
        tries.append(1)
        if len(tries) < 3:
            raise OSError(errno.ESTALE, "Stale file handle")
        return 7

    assert until_it_works(attempt, 60, "result.json") == 7


def test_a_file_that_is_gone_is_gone_unless_all_of_its_storage_is(tmp_path):
    gone, stale = OSError(errno.ENOENT, ""), OSError(errno.ESTALE, "")
    assert may_pass(stale, tmp_path)
    assert may_pass(gone, tmp_path / "unmounted")
    assert may_pass(gone, tmp_path), "an empty mount point"
    (tmp_path / "another").touch()
    assert not may_pass(gone, tmp_path)
    assert not may_pass(OSError(errno.EACCES, ""), tmp_path)


def test_an_error_from_rust_is_the_operating_systems():
    found = as_os_error(Exception("Error while serializing: I/O error: No space left on device (os error 28)"))
    assert (found.errno, found.strerror) == (errno.ENOSPC, "No space left on device")
    assert as_os_error(Exception("Error while serializing: the header is too large")) is None
