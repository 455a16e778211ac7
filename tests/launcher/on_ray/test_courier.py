"""What the launch's end of the courier does with what hosts send; the hosts' end is tested with real nodes."""

import pytest

from imgcls.on_ray.courier import Courier, Parcel
from imgcls.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create()
    folder.begin()
    return folder


@pytest.fixture
def courier(folder):
    return Courier(str(folder.path))


def test_bytes_that_are_sent_again_are_written_once_and_none_is_left_out(folder, courier):
    courier.exchange(Parcel("a", appended={"events.jsonl": (0, b"one\ntwo\n")}))
    courier.exchange(Parcel("a", appended={"events.jsonl": (4, b"two\nthree\n")}))
    courier.exchange(Parcel("b", appended={"events.jsonl": (0, b"of another host\n")}))
    courier.exchange(Parcel("a", appended={"events.jsonl": (99, b"what is between is missing\n")}))
    assert folder.events.read_text() == "one\ntwo\nthree\nof another host\n"
    assert courier.received("a") == {"events.jsonl": 14}
    assert courier.received("c") == {}


def test_whole_files_are_replaced_and_removed(folder, courier):
    courier.exchange(Parcel("a", whole={"logs/places/rank-1.json": b"{}", "checkpoints/latest": b"step-00000001"}))
    assert (folder.places / "rank-1.json").read_bytes() == b"{}"
    courier.exchange(Parcel("a", whole={"logs/places/rank-1.json": None}))
    assert not (folder.places / "rank-1.json").exists()
    assert (folder.checkpoints / "latest").read_bytes() == b"step-00000001"


def test_a_host_is_told_of_requests_and_errors_once_and_of_each_request_that_is_made_again(folder, courier):
    first = courier.exchange(Parcel("a"))
    assert first is not None
    assert (first.requests, first.errors, first.lines) == ({}, {}, [])
    assert courier.exchange(Parcel("a", known=first.mark)) is None
    folder.save.write_text("room for more")
    courier.exchange(Parcel("b", whole={"errors/rank-3.json": b"{}"}))
    second = courier.exchange(Parcel("a", known=first.mark))
    assert second is not None
    assert second.requests["save"][0] == b"room for more"
    assert second.errors == {"rank-3.json": b"{}"}
    folder.save.unlink()
    folder.save.write_text("room for more")
    third = courier.exchange(Parcel("a", known=second.mark))
    assert third is not None
    assert third.requests["save"] != second.requests["save"]
    folder.save.unlink()
    folder.ask_to_stop()
    fourth = courier.exchange(Parcel("a", known=third.mark))
    assert fourth is not None
    assert set(fourth.requests) == {"stop"}


def test_lines_of_all_hosts_come_together_each_once(folder, courier):
    courier.exchange(Parcel("a", lines=['{"path": "1"}\n']))
    answer = courier.exchange(Parcel("b", lines=['{"path": "1"}\n', '{"path": "2"}\n']))
    assert answer is not None
    assert answer.lines == ['{"path": "1"}\n', '{"path": "2"}\n']
    assert folder.left_out.read_text() == '{"path": "1"}\n{"path": "2"}\n'


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "logs/../../outside"])
def test_nothing_is_written_outside_the_run(tmp_path, courier, name):
    with pytest.raises(ValueError, match="no file of a run"):
        courier.exchange(Parcel("a", whole={name: b""}))
    assert not (tmp_path / "outside").exists()
