"""A job's log, in pieces that end anywhere -> what a person sees."""

import io
import json

from rich.console import Console

from imgcls.report.terminal import Terminal
from imgcls_cluster.jobs.follow import Lines, Shown
from imgcls_cluster.jobs.job import Description, Job, free_name
from imgcls_cluster.jobs.run_files import told, wanted
from imgcls_cluster.jobs.standing import standing

_LOG = "".join(
    f"{line}\n"
    for line in (
        "2026-11-27 INFO job_manager.py:581 -- Runtime env is setting up.",
        "Running entrypoint for job x-1: exec python begin_imgcls_job.py",
        json.dumps({"kind": "job", "host": "head"}),
        json.dumps({"kind": "line", "text": "note: größer", "style": "yellow"}),
        json.dumps({"kind": "progress", "step": 3, "epoch": 1, "loss": 1.0, "accuracy": 2, "images_per_second": 5, "lr": 1}),
        '{"kind": broken',
        "a line of a library's",
        json.dumps({"kind": "evaluation", "epoch": 1, "step": 4, "top1": 50.0, "top5": 90.0}),
        json.dumps({"kind": "line", "text": "stopped after step 4, with a checkpoint; to continue:\n    imgcls", "style": None}),
    )
)  # fmt: skip


def _job(state: str, message: str = "", code: int | None = None) -> Job:
    about = Description(run="x", storage="/runs", recipe="0", title="x: y on z", workers="2", version="0.1.0")
    return Job(name="x-1", about=about, state=state, message=message, started=1.0, ended=2.0, exit_code=code)


def _shown(log: str, size: int, job: Job) -> tuple[str, list[str]]:
    out, complaints = io.StringIO(), []
    view = Terminal(Console(file=out, width=200), "x: y on z")
    view._epochs = 9
    shown = Shown(view, complaints.append)
    for start in range(0, len(log), size):
        shown.take(log[start : start + size])
    shown.end(job)
    return out.getvalue(), complaints


def test_a_log_is_shown_alike_however_it_is_cut():
    whole = _shown(_LOG, len(_LOG), _job("STOPPED"))
    assert [_shown(_LOG, size, _job("STOPPED")) for size in (1, 2, 7, 64)] == [whole] * 4
    out, complaints = whole
    assert "note: größer\n" in out
    assert "epoch   1/9  top1  50.00  top5  90.00" in out
    assert "stopped after step 4, with a checkpoint; to continue:\n    imgcls\n" in out
    assert complaints == ['{"kind": broken', "a line of a library's"]
    assert "Runtime env" not in out + "".join(complaints)


def test_what_came_before_our_program_is_shown_where_that_never_began():
    log = _LOG.partition("{")[0] + "/bin/sh: 1: python: not found\n"
    _, complaints = _shown(log, 5, _job("FAILED", code=127))
    assert complaints[0] == "/bin/sh: 1: python: not found"
    assert "activate the environment before `ray start`" in complaints[1]
    _, complaints = _shown("", 5, _job("FAILED", "the runtime environment failed"))
    assert complaints == ["x-1 could not be started: the runtime environment failed"]


def test_the_exit_code_of_a_job_is_the_launchs_own_or_what_stands_for_it():
    codes = [
        ("SUCCEEDED", 0, 0),
        ("FAILED", 2, 2),
        ("FAILED", None, 1),
        ("FAILED", -9, 137),
        ("STOPPED", None, 75),
    ]
    for state, exit_code, expected in codes:
        assert _job(state, code=exit_code).code == expected


def test_a_line_is_an_event_only_where_it_is_whole_json_with_a_kind():
    lines = Lines()
    assert list(lines.take('{"kind": "a"}\n{"no": 1}\n[1]\n{"kind"')) == [{"kind": "a"}, '{"no": 1}', "[1]"]
    assert list(lines.take(': "b"}\n')) == [{"kind": "b"}]


def test_a_standing_has_the_last_of_each_figure():
    found = standing(_job("STOPPED"), _LOG)
    assert found.saved
    assert found.figures == {
        "step": 4,
        "epoch": 1,
        "loss": 1.0,
        "images_per_second": 5,
        "top1": 50.0,
        "top5": 90.0,
    }
    assert "x-1: STOPPED, exit code 75" in found.text
    assert "a line of a library's" not in found.text
    failed = standing(_job("FAILED", code=2), _LOG)
    assert "exit code 2" in failed.text
    assert failed.errors == ('{"kind": broken', "a line of a library's")
    assert "    a line of a library's" in failed.text


def test_a_job_gets_the_first_number_that_is_free_and_only_letters_that_an_address_takes():
    assert free_name("digits", []) == "digits-1"
    assert free_name("digits", ["digits-1", "digits-7", "digits-x", "other-9"]) == "digits-8"
    assert free_name("my run/é", []) == "my_run__-1"


def test_of_a_run_the_records_the_logs_and_the_best_and_last_checkpoint_are_fetched(tmp_path):
    files = {
        "metrics.jsonl": "m",
        "result.json": json.dumps({"checkpoint": "checkpoints/step-00000030", "best_checkpoint": "checkpoints/step-00000010"}),
        "own_callback.csv": "c",
        "stop": "",
        ".lock": "",
        "events.jsonl": "e",
        "logs/worker-0.log": "w",
        "logs/ray-train/x/y.json": "r",
        "errors/0.json": "{}",
        "checkpoints/latest": "step-00000030",
        **{f"checkpoints/step-000000{step}/manifest.json": str(step) for step in (10, 20, 30)},
    }  # fmt: skip
    found = wanted(files, lambda name: files[name].encode())
    assert found == [
        "checkpoints/latest",
        "checkpoints/step-00000010/manifest.json",
        "checkpoints/step-00000030/manifest.json",
        "logs/worker-0.log",
        "metrics.jsonl",
        "own_callback.csv",
        "result.json",
    ]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    records = list(told(tmp_path, "", 10_000))
    assert [record["name"] for record in records if record["kind"] == "file"] == found
    assert records[-1] == {"kind": "end"}
    assert list(told(tmp_path, "", 10)) == [{"kind": "large", "total": sum(len(files[name]) for name in found)}]
    assert list(told(tmp_path, "stop", 10)) == [{"kind": "seen"}]
    assert list(told(tmp_path / "nowhere", "", 10)) == [{"kind": "missing"}]


def test_of_a_run_that_goes_on_the_best_checkpoint_is_the_one_its_last_one_names():
    files = {
        "checkpoints/latest": "step-00000030\n",
        "checkpoints/step-00000030/state.json": json.dumps({"run": {"best_step": 20}}),
        **{f"checkpoints/step-000000{step}/manifest.json": "x" for step in (10, 20, 30)},
    }
    found = wanted(files, lambda name: files[name].encode())
    assert [name for name in found if name.endswith("manifest.json")] == [
        "checkpoints/step-00000020/manifest.json",
        "checkpoints/step-00000030/manifest.json",
    ]
