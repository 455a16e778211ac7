"""The watch over one rank, in processes of their own: where it finds a hang, it ends them."""

import os
import signal
import subprocess
import sys
import time
from textwrap import dedent

import pytest

from imgcls.hang import places
from imgcls.run_folder import RunFolder
from imgcls.train.watch import Watch

_LIMIT = 120  # seconds for a process to end that should


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def _until(condition):
    end = time.monotonic() + _LIMIT
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return value


def _process(folder, what, **settings):
    """Start a process that does something, is told of as making progress before, and is watched from there on."""
    given = "".join(f", {key}={value!r}" for key, value in {"grace": 1.0, **settings}.items())
    text = f"""
        import ctypes, sys, time
        from pathlib import Path
        from imgcls.run_folder import RunFolder
        from imgcls.train.watch import Watch

        def hung(place, seconds):
            print("hung at", place.step, place.doing, flush=True)

        def sleeping():
            time.sleep(600)

        def holding_the_lock():
            ctypes.PyDLL(None).usleep(600 * 10**6)

        def working():
            for _ in range(50):
                time.sleep(0.1)
                watch.pulse(3, "at work")

        watch = Watch(RunFolder(Path({str(folder.path)!r})), 0, 1, 1.0, hung=hung{given}).start()
        watch.pulse(3, "at work")
        watch.pulse(3, "at work")
        {what}
        watch.close()
        print("ended by itself", flush=True)
    """
    return subprocess.Popen(
        [sys.executable, "-c", dedent(text)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )


def _ended(process):
    out, err = process.communicate(timeout=_LIMIT)
    return process.returncode, out, err


def test_a_process_that_makes_no_progress_writes_its_stacks_tells_and_ends(folder):
    assert _ended(_process(folder, "sleeping()")) == (1, "hung at 3 at work\n", "")
    text = (folder.stacks / "rank-0.txt").read_text()
    assert "at step 3, at work, for 1 s:" in text
    assert "in sleeping" in text
    assert text.count("in sleeping") == 1, "written once"


def test_one_that_holds_the_global_lock_writes_its_stacks_and_ends_too(folder):
    code, out, _ = _ended(_process(folder, "working(); holding_the_lock()"))
    assert (code, out) == (1, "")
    assert "in holding_the_lock" in (folder.stacks / "rank-0.txt").read_text()


def test_one_that_makes_progress_is_left_alone_and_nothing_of_the_watch_remains(folder):
    # five times the limit in all
    assert _ended(_process(folder, "working()")) == (0, "ended by itself\n", "")
    assert not list(folder.stacks.iterdir())
    assert not list(folder.places.iterdir())


def test_what_is_done_for_the_first_time_may_take_longer(folder):
    what = 'watch.pulse(3, "compiling"); time.sleep(4)'
    assert _ended(_process(folder, what))[:2] == (0, "ended by itself\n")
    assert _ended(_process(folder, what, first_time=1.5))[:2] == (1, "hung at 3 compiling\n")


def test_a_run_at_a_terminal_that_was_stopped_for_long_goes_on(folder):
    process = _process(folder, "working()", firm=False)
    try:
        _until(lambda: list(places(folder.places)))
        process.send_signal(signal.SIGSTOP)
        time.sleep(4)  # more than limit and grace
        process.send_signal(signal.SIGCONT)
        code, out, _ = _ended(process)
    finally:
        process.kill()
    assert (code, out) == (0, "ended by itself\n")


def test_a_debugger_may_be_at_a_breakpoint_for_as_long_as_one_likes(folder):
    what = "exec(compile('import time; time.sleep(4)', 'x', 'exec'), {'__name__': 'bdb'})"
    assert _ended(_process(folder, what))[:2] == (0, "ended by itself\n")


def test_where_a_rank_is_can_be_read_from_outside(folder):
    watch = Watch(folder, 2, 4, 5.0).start()
    try:
        watch.pulse(11, "reading a batch")
        noted = _until(lambda: [one for one in places(folder.places) if one.step == 11])[0]
        assert (noted.rank, noted.size, noted.process) == (2, 4, os.getpid())
        assert noted.doing == "reading a batch"
        assert noted.limit > 5.0, "it is the first time"
        watch.pulse(12, "reading a batch")
        again = _until(lambda: [one for one in places(folder.places) if one.step == 12])[0]
        assert again.identity == noted.identity
        assert again.beats == noted.beats + 1
        assert again.looks > noted.looks
    finally:
        watch.close()


def test_0_seconds_mean_that_nothing_counts_as_a_hang(folder):
    process = _process(folder, "watch.hang_after = 0; time.sleep(1)")
    watch = Watch(folder, 1, 2, 0.0).start()
    try:
        time.sleep(1)
        assert watch.place.rank == 1
    finally:
        watch.close()
    assert _ended(process)[0] == 0


def test_a_notice_is_passed_on_once(folder):
    said = iter(["the node goes"])
    watch = Watch(folder, 0, 1, 5.0, notice=lambda: next(said, "")).start()
    try:
        assert _until(watch.notice) == "the node goes"
        time.sleep(1.5)
        assert watch.notice() == ""
    finally:
        watch.close()


def test_a_pulse_takes_less_than_ten_microseconds(folder):
    watch = Watch(folder, 0, 1, 600.0)
    began = time.process_time()
    for step in range(10_000):
        watch.pulse(step, "at work")
    assert time.process_time() - began < 0.1
