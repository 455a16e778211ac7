"""How far a count has come: a line now and then, a bar on a terminal."""

import io

import pytest
from rich.console import Console

from imgcls.report import counting
from imgcls.report.counting import Counting


def counted(terminal, steps, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(counting.time, "monotonic", lambda: clock[0])
    text = io.StringIO()
    with Counting(Console(file=text, force_terminal=terminal, width=100)) as count:
        count.begin("reading")
        for seconds, done, of in steps:
            clock[0] += seconds
            count(done, of)
    return text.getvalue(), count


def test_where_there_is_no_terminal_a_line_comes_every_fifteen_seconds(monkeypatch):
    steps = [(5, 1000, 9000), (5, 2000, 9000), (6, 3200, 9000), (5, 4000, 9000), (12, 6600, 9000), (5, 9000, 9000)]
    text, _ = counted(False, steps, monkeypatch)
    assert text == "reading: 3,200 of 9,000, 200 images/s\nreading: 6,600 of 9,000, 200 images/s\n"


def test_what_is_done_at_once_says_nothing(monkeypatch):
    assert counted(False, [(1, 10, 20), (1, 20, 20)], monkeypatch)[0] == ""


def test_a_count_that_starts_anew_adds_up(monkeypatch):
    steps = [(1, 10, 20), (1, 20, 20), (1, 3, 5), (1, 5, 5)]
    assert counted(False, steps, monkeypatch)[1].total == 25


def test_the_total_begins_at_nothing_with_another_count(monkeypatch):
    _, count = counted(False, [(1, 20, 20)], monkeypatch)
    count.begin("checking")
    assert count.total == 0
    count(7, 10)
    assert count.total == 7


@pytest.mark.parametrize("terminal", [True, False])
def test_a_count_of_nothing_leaves_nothing_behind(monkeypatch, terminal):
    text, _ = counted(terminal, [], monkeypatch)
    assert text.replace("\x1b[?25l", "").replace("\x1b[?25h", "").strip("\r\n \x1b[2K1A") == ""
