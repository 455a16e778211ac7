from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from tests.launcher.report.searches import WHOLE, asked, report

from imgcls.report.tune_table import LiveTable

SGD = {"optimizer.lr": 0.123456, "model.name": "resnet18", "optimizer.momentum": 0.9, "train.epochs": 5}
TITLE = "digits_tune: 40 trials, 2 at a time"


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def out():
    return io.StringIO()


@pytest.fixture
def plain(out, clock):
    return LiveTable(Console(file=out, width=100), TITLE, asked(trials=4), 2, clock=clock)


@pytest.fixture
def make_table(out, clock):
    """A table on a terminal; closed at the end of the test, for it draws in a thread."""
    made = []

    def make(width=140, height=40, **changed):
        console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
        made.append(LiveTable(console, TITLE, asked(**changed), 2, clock=clock))
        return made[-1]

    yield make
    for table in made:
        table.close()


def drawn(table):
    """The table's lines as they would be drawn now."""
    console = Console(file=io.StringIO(), width=table.console.width, color_system=None)
    console.print(table._render())
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def said(out):
    return out.getvalue().splitlines()


def test_without_a_terminal_the_title_is_all_before_something_happens(plain, out):
    plain.trial(1, SGD, "waiting", None)
    plain.trial(1, SGD, "running", None)
    assert said(out) == [TITLE]


def test_a_new_best_is_a_line_and_a_result_that_is_none_is_not(plain, out):
    for number in (1, 2):
        plain.trial(number, SGD, "running", None)
    plain.trial(1, SGD, "running", report(top1=90.0))
    plain.trial(2, SGD, "running", report(top1=89.0))
    plain.trial(2, SGD, "running", report(time=3, top1=88.0))  # of a longer run, so it counts for more
    assert said(out)[1:] == [
        "best so far: trial 1, top1 90.00 at rung 1/3 (5 epochs): lr 0.1235, model resnet18, momentum 0.9",
        "best so far: trial 2, top1 88.00 at rung 2/3 (15 epochs): lr 0.1235, model resnet18, momentum 0.9",
    ]


def test_a_best_that_gets_better_is_said_once_and_no_more_when_it_ends(plain, out):
    plain.trial(1, SGD, "running", None)
    plain.trial(1, SGD, "running", report(top1=90.0))
    plain.trial(1, SGD, "finished", report(top1=90.0))
    assert said(out)[2:] == ["trial 1 finished: top1 90.00 at rung 1/3 (5 epochs)  (1 of 4 trials have ended)"]


def test_less_loss_is_better(out, clock):
    table = LiveTable(Console(file=out, width=100), TITLE, asked(metric="val/loss"), 1, clock=clock)
    for number, loss in ((3, float("nan")), (1, 0.5), (2, 0.25), (4, 0.3)):
        table.trial(number, {}, "running", None)
        table.trial(number, {}, "running", report(loss=loss))
    assert said(out)[1:] == [
        "best so far: trial 1, loss 0.5000 at rung 1/3 (5 epochs)",
        "best so far: trial 2, loss 0.2500 at rung 1/3 (5 epochs)",
    ]


def test_no_number_comes_after_every_number(make_table):
    table = make_table(metric="val/loss")
    for number, loss in ((1, 0.5), (2, float("nan")), (3, 0.25)):
        table.trial(number, SGD, "stopped", report(loss=loss))
    assert [int(row.split()[0]) for row in drawn(table)[2:]] == [3, 1, 2]


def test_a_failure_says_why_and_a_failed_trial_is_never_the_best(plain, out):
    plain.trial(1, SGD, "running", None)
    plain.trial(1, SGD, "running", report(top1=99.0))
    plain.trial(1, SGD, "failed", report(top1=99.0), why="[red]out of memory")
    assert said(out)[-1] == "trial 1 failed: [red]out of memory"
    plain.trial(2, SGD, "running", None)
    plain.trial(2, SGD, "running", report(top1=50.0))
    assert said(out)[-1].startswith("best so far: trial 2, top1 50.00")


def test_what_ended_before_a_search_went_on_is_not_told_of_again(plain, out):
    plain.trial(1, SGD, "finished", report(top1=90.0))
    plain.trial(2, SGD, "failed", None, why="so")
    plain.trial(3, SGD, "waiting", report(top1=91.0))
    assert said(out) == [TITLE]
    plain.trial(3, SGD, "running", report(top1=91.0))
    assert said(out) == [TITLE]


def test_how_it_goes_is_said_seldom_where_there_is_no_table(plain, out, clock):
    plain.trial(1, SGD, "running", None)
    for _ in range(100):
        plain.tick()
    assert said(out) == [TITLE]
    clock.now += 16
    plain.tick()
    plain.tick()
    assert said(out)[1:] == ["0/4 trials, 1 running, 0:16 elapsed"]


def test_the_time_to_go_is_not_guessed_before_a_trial_has_ended(plain, out, clock):
    plain.trial(1, SGD, "running", None)
    plain.trial(2, SGD, "running", None)
    clock.now += 60
    plain.tick()
    assert "to go" not in said(out)[-1]
    plain.trial(1, SGD, "stopped", report(top1=90.0))
    plain.trial(3, SGD, "running", None)
    clock.now += 20
    plain.tick()
    # 60 s each: 2 has had all of them, 3 has 40 s to go and 4 has 60, on two places
    assert ", 1:20 elapsed, about 0:50 to go; best is trial 1, " in said(out)[-1]


def test_a_trial_of_which_only_the_end_was_seen_says_nothing_of_the_cost(plain, out, clock):
    plain.trial(1, SGD, "waiting", report(top1=90.0))  # begun by a process that was killed
    plain.trial(1, SGD, "running", report(top1=90.0))
    clock.now += 16
    plain.trial(1, SGD, "finished", report(time=3, top1=91.0))
    plain.trial(2, SGD, "running", None)
    plain.trial(2, SGD, "failed", None)
    clock.now += 16
    plain.tick()
    assert said(out)[-1].startswith("2/4 trials, 0 running, ")
    assert "to go" not in said(out)[-1]


def test_time_that_a_trial_waited_paused_is_not_its_own(make_table, clock):
    table = make_table()
    table.trial(1, SGD, "running", None)
    clock.now += 10
    table.trial(1, SGD, "paused", report())
    clock.now += 100
    table.trial(1, SGD, "running", report())
    clock.now += 5
    assert drawn(table)[2].endswith(" 0:15")


def test_on_a_terminal_there_is_a_row_a_trial_the_running_first_then_the_best(make_table, clock):
    table = make_table(trials=9)
    table.trial(1, SGD, "stopped", report(top1=80.0))
    table.trial(2, SGD, "failed", None)
    table.trial(3, SGD, "finished", report(time=9, top1=70.0))
    table.trial(4, SGD, "waiting", None)
    table.trial(5, {**SGD, "model.name": "resnet34", "augment.rand_augment.magnitude": 7}, "running", None)
    table.trial(6, SGD, "stopped", report(top1=81.0))
    clock.now += 75
    head, heading, *rows = drawn(table)
    values = "lr 0.1235, model resnet18, momentum 0.9"
    best = f"best is trial 3, top1 70.00 at rung 3/3 (45 epochs): {values}"
    assert head == f"4/9 trials, 1 running, 1:15 elapsed; {best}"
    assert heading.split() == ["trial", "lr", "model", "magnitude", "momentum", "state", "reached", "top1", "time"]
    assert [int(row.split()[0]) for row in rows] == [5, 3, 6, 1, 4, 2]
    assert rows[0].split() == ["5", "0.1235", "resnet34", "7", "0.9", "running", "1:15"]
    assert rows[1].split()[-6:] == ["rung", "3/3", "(45", "epochs)", "70.00", "*"]
    assert [row.endswith("*") for row in rows].count(True) == 1


def test_there_are_at_most_twenty_rows_and_never_more_than_the_terminal_has_room_for(make_table):
    table = make_table()
    for number in range(1, 31):
        table.trial(number, SGD, "stopped", report(top1=float(number)))
    lines = drawn(table)
    assert (len(lines), lines[-1]) == (23, "and 10 more")
    assert lines[2].split()[0] == "30"
    low = make_table(height=12)
    for number in range(1, 31):
        low.trial(number, SGD, "stopped", report(top1=float(number)))
    assert (len(drawn(low)), drawn(low)[-1]) == (9, "and 24 more")


def test_on_a_narrow_terminal_values_are_cut_and_results_are_not(make_table, clock):
    table = make_table(width=80)
    table.trial(5, {**SGD, "model.name": "a_model_of_a_long_name"}, "running", None)
    clock.now += 75
    table.trial(5, {**SGD, "model.name": "a_model_of_a_long_name"}, "stopped", report(time=3, top1=70.0))
    lines = drawn(table)
    assert len(lines) == 3
    assert all(len(line) <= 80 for line in lines)
    assert "…" in lines[2]
    assert lines[2].endswith("  stopped  rung 2/3 (15 epochs)  70.00 *  1:15")


def test_many_parameters_are_one_column(make_table):
    domains = {f"a.x{number}": {"uniform": [0.0, 1.0]} for number in range(7)}
    table = make_table(domains=domains)
    table.trial(1, dict.fromkeys(domains, 0.5), "running", None)
    _, heading, row = drawn(table)
    assert heading.split() == ["trial", "values", "state", "reached", "top1", "time"]
    assert "x0 0.5, x1 0.5, " in row


def test_of_runs_that_confirm_all_values_are_shown(make_table):
    table = make_table(domains={}, scheduler="none", rungs=WHOLE)
    table.trial(1, {"seed": 1}, "running", None)
    table.trial(2, {"optimizer.lr": 0.5, "seed": 1}, "running", report(time=20))
    _, heading, *rows = drawn(table)
    assert heading.split()[:3] == ["trial", "seed", "lr"]
    assert rows[0].split()[:3] == ["1", "1", "running"]
    assert rows[1].split()[:7] == ["2", "1", "0.5", "running", "epoch", "20/20", "50.00"]


def test_square_brackets_are_shown_as_they_are(make_table, plain, out):
    plain.line("[bold]x[/bold]")
    assert said(out)[-1] == "[bold]x[/bold]"
    table = make_table()
    table.trial(1, {"model.name": "[red]x"}, "running", None)
    assert "[red]x" in drawn(table)[2]


def test_the_table_goes_away_at_the_end_and_the_lines_stay(make_table, out):
    table = make_table()
    table.trial(1, SGD, "running", None)
    table.line("a line above")
    table.close()
    table.close()
    text = out.getvalue()
    assert text.count("\x1b[?25h") == text.count("\x1b[?25l") == 1  # the cursor came back
    assert "a line above" in text
    assert re.search(r"\x1b\[2K", text)  # what was drawn was erased


def test_plain_means_lines_on_a_terminal_too(out, clock):
    console = Console(file=out, width=100, force_terminal=True)
    table = LiveTable(console, TITLE, asked(), 2, plain=True, clock=clock)
    table.trial(1, SGD, "running", None)
    table.trial(1, SGD, "finished", report())
    table.close()
    assert said(out)[1:] == [
        "best so far: trial 1, top1 50.00 at rung 1/3 (5 epochs): lr 0.1235, model resnet18, momentum 0.9",
        "trial 1 finished: top1 50.00 at rung 1/3 (5 epochs)  (1 of 40 trials have ended)",
    ]
