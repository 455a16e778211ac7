"""Of two launches of a run in a store one trains, wherever they are, and a killed one blocks nobody for long."""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import pytest
from tests.faults.s3 import STORAGE

from imgcls import UserError
from imgcls.storage import lease
from imgcls.storage.lease import Lease
from imgcls.storage.places import probe, run_folder
from imgcls.storage.store import Store

RUN = f"{STORAGE}/a"


@pytest.fixture
def store(s3, monkeypatch):
    monkeypatch.setattr(lease, "_RENEWED", 0.2)
    monkeypatch.setattr(lease, "_PATIENCE", 2.0)
    monkeypatch.setattr(lease, "_LOOK", 0.1)
    return Store(RUN)


def said():
    lines = []
    return lines, lines.append


def left_behind(store, **changes):
    """The lease of a launch that was killed, as another host, or another process, would have left it."""
    with ExitStack() as stack:
        stack.enter_context(Lease(store, print).held())
        found = json.loads(store.read(lease.NAME))
    store.write(lease.NAME, json.dumps({**found, "id": "theirs", **changes}).encode())


ELSEWHERE = {"host": ["gpu-17", "another boot", "another space"], "holder": "process 7 on gpu-17"}


def test_a_lease_is_held_renewed_and_given_back(store):
    with Lease(store, print).held():
        first = store.read(lease.NAME)
        time.sleep(1)
        assert store.read(lease.NAME) != first
    assert not store.has(lease.NAME)


def test_a_second_launch_on_this_host_is_refused_at_once_and_told_by_whom(store):
    with Lease(store, print).held():
        began = time.monotonic()
        with pytest.raises(UserError, match=f"{RUN} is in use by process {os.getpid()} on .*another --name"):
            Lease(store, print).held().__enter__()
        assert time.monotonic() - began < 2


def test_a_launch_on_another_host_that_shows_a_sign_of_life_is_not_taken_over(store):
    left_behind(store, **ELSEWHERE)
    found = json.loads(store.read(lease.NAME))
    later = json.dumps({**found, "renewed": found["renewed"] + 1}).encode()
    threading.Timer(0.6, lambda: Store(RUN).write(lease.NAME, later)).start()
    lines, say = said()
    with pytest.raises(UserError, match="in use by process 7 on gpu-17"):
        Lease(store, say).held().__enter__()
    assert lines == ["process 7 on gpu-17 was at this run last; waiting up to 2 s for a sign of life from there"]


def test_a_launch_that_was_killed_on_another_host_is_waited_for_and_then_taken_over(store):
    left_behind(store, **ELSEWHERE)
    began = time.monotonic()
    mine = Lease(store, print)
    with mine.held():
        assert time.monotonic() - began >= 2
        assert lease.held_by(store) == mine.identity
        mine.confirm()


def test_a_launch_that_was_killed_on_this_host_blocks_nobody(store):
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    left_behind(store, process=int(ended.stdout))
    lines, say = said()
    with Lease(store, say).held():
        assert lines == []


def test_of_two_that_begin_at_the_same_moment_the_first_notices(store):
    first, second = Lease(store, print), Lease(store, print)
    with ExitStack() as stack:
        stack.enter_context(first.held())
        second._renew()  # it had looked before the first one wrote
        with pytest.raises(UserError, match="in use by"):
            first.confirm()
        second.confirm()
    assert lease.held_by(store) == second.identity, "who has lost it does not take it from who has it"


def test_a_lease_that_another_has_taken_over_is_not_renewed(store):
    with Lease(store, print).held():
        left = json.loads(store.read(lease.NAME))
        store.write(lease.NAME, json.dumps({**left, "id": "theirs"}).encode())
        time.sleep(1)
        assert lease.held_by(store) == "theirs"


def test_probing_a_storage_leaves_nothing_there_and_says_why_one_cannot_be_used(s3):
    probe(STORAGE)
    assert s3.names("") == []
    with pytest.raises(UserError, match="s3://none/runs cannot be used: .*bucket does not exist"):
        probe("s3://none/runs")


def test_an_address_has_a_copy_on_this_host_and_a_path_has_none(s3, tmp_path):
    folder = run_folder(f"{STORAGE}/", "a")
    assert folder.address == folder.shown == RUN
    assert folder.path.name == "a", "what a plan is named by"
    assert folder.path.is_relative_to(tmp_path / "cache/runs")
    assert run_folder("s3://bucket/other", "a").path != folder.path
    for storage in ("runs", "file:///mnt/runs"):
        assert run_folder(storage, "a").address is None
    assert str(run_folder("file:///mnt/runs", "a").path) == "/mnt/runs/a"
