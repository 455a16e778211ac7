import io

import pytest
from rich.console import Console

from imgcls.report.terminal import Terminal, summary

RUN = {
    "kind": "run", "time": 2.0, "epochs": 3, "step": 0, "total_steps": 30, "steps_per_epoch": 10, "workers": 2,
    "parameters": 61706, "classes": 10, "train": 1437, "validation": 360, "device": "cpu",
}  # fmt: skip
PROGRESS = {
    "kind": "progress", "time": 3.0, "epoch": 1, "step": 5, "loss": 0.51234, "accuracy": 81.5,
    "images_per_second": 1234.5, "lr": 0.1,
}  # fmt: skip
EVALUATION = {"kind": "evaluation", "time": 4.0, "epoch": 1, "top1": 90.5, "top5": 99.25}


@pytest.fixture
def out():
    return io.StringIO()


@pytest.fixture
def terminal(out):
    return Terminal(Console(file=out, width=60, force_terminal=False), "digits: lenet5 on digits")


def test_a_run_is_introduced_once_in_one_line(terminal, out):
    terminal.show(RUN)
    terminal.show(RUN)
    assert out.getvalue() == (
        "digits: lenet5 on digits: 61,706 parameters, 10 classes, "
        "1,437 images to train and 360 to validate, 2 workers, cpu\n"
    )


def test_one_worker_is_not_several(terminal, out):
    terminal.show({**RUN, "workers": 1})
    assert ", 1 worker, cpu\n" in out.getvalue()


def test_a_continued_run_says_where(terminal, out):
    terminal.show({**RUN, "step": 15})
    assert out.getvalue().splitlines()[1] == "continuing after step 15 of 30 (epoch 1.50)"


def test_a_change_of_the_number_of_workers_is_told_where_the_run_goes_on(terminal, out):
    terminal.show(RUN)
    terminal.show({**RUN, "workers": 1, "step": 15})
    terminal.show({**RUN, "workers": 1, "step": 20})
    assert out.getvalue().splitlines()[1:] == [
        "1 worker from here on, 2 before; the global batch stays",
        "continuing after step 15 of 30 (epoch 1.50)",
        "continuing after step 20 of 30 (epoch 2.00)",
    ]


def test_a_range_of_workers_is_shown_with_its_shares_once_and_who_is_missing(terminal, out):
    terminal.show({**RUN, "most_workers": 4, "shares": ["3..4 workers: so", "1..2 workers: else"]})
    terminal.show({**RUN, "most_workers": 4, "shares": ["3..4 workers: so", "1..2 workers: else"]})
    assert out.getvalue().splitlines()[1:] == [
        "  3..4 workers: so",
        "  1..2 workers: else",
        "2 workers of 4 for now; more join when there is room",
    ]


def test_an_evaluation_is_a_line_with_the_last_figures(terminal, out):
    for event in (RUN, PROGRESS, EVALUATION):
        terminal.show(event)
    assert out.getvalue().splitlines()[-1] == (
        "epoch   1/3  top1  90.50  top5  99.25  loss 0.5123  accuracy 81.50  1,234 images/s  lr 0.1"
    )


def test_an_evaluation_before_any_progress_is_shown(terminal, out):
    terminal.show(RUN)
    terminal.show(EVALUATION)
    assert "top1  90.50" in out.getvalue()


def test_progress_is_shown_seldom_where_there_is_no_terminal(terminal, out, monkeypatch):
    terminal.show(RUN)
    for _ in range(100):
        terminal.show(PROGRESS)
    assert "step 5/30" not in out.getvalue()
    terminal._plain_at -= 16
    terminal.show(PROGRESS)
    terminal.show(PROGRESS)
    assert out.getvalue().count("epoch 1/3  step 5/30  loss 0.5123") == 1


def test_there_is_one_progress_line_on_a_terminal_and_it_goes_away(out):
    terminal = Terminal(Console(file=out, width=100, force_terminal=True), "title")
    terminal.show(RUN)
    terminal.show(PROGRESS)
    terminal.show({"kind": "evaluating", "epoch": 1, "time": 3.5})
    terminal.show(RUN)
    terminal.close()
    terminal.close()
    assert "epoch 1/3" in out.getvalue()
    assert out.getvalue().count("\x1b[?25h") == out.getvalue().count("\x1b[?25l") == 2  # the cursor came back


def test_square_brackets_in_a_text_are_shown_as_they_are(terminal, out):
    terminal.show({"kind": "warning", "text": "[bold]/data/[1].jpg", "time": 0})
    terminal.show({"kind": "failure", "text": "rank 1 [red]", "time": 0})
    assert out.getvalue() == "warning: [bold]/data/[1].jpg\nrank 1 [red]\n"


def test_phases_are_kept_for_the_timings(terminal):
    terminal.show({"kind": "phase", "name": "recipe read", "time": 1.0})
    terminal.show(RUN)
    terminal.show({"kind": "step", "time": 5.0})
    assert terminal.phases == [("recipe read", 1.0), ("run built", 2.0), ("first step", 5.0)]


def test_kinds_that_are_not_shown_are_remembered(terminal, out):
    terminal.show({"kind": "stopped", "step": 7, "time": 0})
    assert (terminal.last["stopped"]["step"], out.getvalue()) == (7, "")


def test_a_summary_has_the_score_and_over_how_many_images(terminal):
    result = {"top1": 98.333, "top5": 100.0, "n": 360, "epochs": 20, "seconds": 12.34, "images_per_second": 4321.0}
    assert summary(result) == (
        "top1 98.33 %, top5 100.00 % over n = 360 images; 20 epochs in 12.3 s, 4,321 images/s"
    )
