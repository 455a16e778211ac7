"""``imgcls launch --json``: what a job's launch prints, and whoever else reads it."""

import io
import json
import os
import re

from rich.console import Console
from tests.cluster.jobs.head import run

from imgcls.report.json_lines import JsonLines
from imgcls.report.terminal import Terminal
from imgcls_cluster.jobs.follow import Shown


def _events(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_launch_prints_events_alone_of_which_a_view_is_made(tmp_path):
    launch = ["launch", "digits_lenet", "--workers", 0, "--set", "train.epochs=2", "--json"]
    ended = run(*launch, cwd=tmp_path)
    assert (ended.code, ended.err) == (0, ""), ended
    events = _events(ended.out)
    assert all(isinstance(event["time"], float) for event in events)
    kinds = [event["kind"] for event in events]
    assert kinds.index("run") < kinds.index("progress") < kinds.index("evaluation") < kinds.index("finished")
    evaluated = kinds.index("evaluation")
    before = [event for event in events[:evaluated] if event["kind"] == "progress"]
    assert before[-1]["step"] == events[evaluated]["step"] == 23, "what is held back comes before anything else"
    out = io.StringIO()
    Shown(Terminal(Console(file=out, width=200), "a title"), complain=lambda line: None).take(ended.out)
    assert out.getvalue().startswith("a title: 61,706 parameters, 10 classes"), out.getvalue()
    assert re.search(r"^epoch   2/2  top1  \d\d\.\d\d", out.getvalue(), re.MULTILINE)
    assert out.getvalue().endswith("results: runs/digits_lenet\n")
    again = _events(run(*launch, cwd=tmp_path).out)
    assert "this run is finished; give another --name to run it again" in [event.get("text") for event in again]


def test_an_error_is_said_on_standard_error_as_ever_and_a_table_of_timings_is_refused(tmp_path):
    slip = run("launch", "digits_lenet", "--workers", 0, "--set", "optimizer.l=1", "--json", cwd=tmp_path)
    assert (slip.code, slip.out) == (2, ""), slip
    assert "optimizer.l: unknown option" in slip.err, slip
    both = run("launch", "digits_lenet", "--workers", 0, "--json", "--timings", cwd=tmp_path)
    assert both.code == 2, both
    assert "events of the kind 'phase'" in both.err, both


def test_progress_is_thinned_and_its_last_is_never_lost():
    reading, writing = os.pipe()
    lines = JsonLines(writing)
    for step in range(100):
        lines.show({"kind": "progress", "step": step})
    lines.line("a line", style="yellow")
    lines.show({"kind": "progress", "step": 100})
    lines.close()
    os.close(writing)
    with os.fdopen(reading) as file:
        events = _events(file.read())
    assert [event.get("step", event["kind"]) for event in events] == [0, 99, "line", 100]
    assert events[2]["text"] == "a line"
    assert lines.last["progress"]["step"] == 100
