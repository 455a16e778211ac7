"""``imgcls tune show``: on folders of searches, the command as it is."""

from __future__ import annotations

import json

import pytest
from tests.launcher.report.searches import halving


@pytest.fixture
def study(tmp_path):
    return halving(tmp_path / "runs" / "search", 12)


def test_a_search_is_shown_and_its_page_is_made_anew_each_time(run_imgcls, study):
    ended = run_imgcls("tune", "show", study.path)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("digits_tune: val/top1 (more is better), tpe search, asha, ")
    assert "12 of 40 trials: 1 finished, 9 stopped, 1 waiting, 1 failed" in lines
    page = study.path / "report.html"
    assert lines[-1] == f"page: {page}"
    first = page.read_text()
    assert first.startswith("<!DOCTYPE html>")
    study.trial(12).ended("failed", "a reason of its own")
    ended = run_imgcls("tune", "show", study.path, "--top", 2)
    assert ended.returncode == 0, ended
    assert "and 10 more: give a larger --top" in ended.stdout
    assert "a reason of its own" in page.read_text()
    assert "a reason of its own" not in first


def test_json_is_all_that_is_printed_and_no_page_is_written(run_imgcls, study):
    ended = run_imgcls("tune", "show", study.path, "--json", "--top", 3)
    assert (ended.returncode, ended.stderr) == (0, "")
    data = json.loads(ended.stdout)
    assert (data["recipe"], len(data["trials"]), data["states"]["stopped"]) == ("digits_tune", 3, 9)
    assert not (study.path / "report.html").exists()


def test_a_page_of_a_name_of_its_own_is_overwritten_only_by_force(run_imgcls, study, tmp_path):
    (tmp_path / "x.html").write_text("mine")
    words = ("tune", "show", study.path, "--json", "--html", "x.html")
    ended = run_imgcls(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--html x.html: is there already and was left as it is" in ended.stderr
    assert (tmp_path / "x.html").read_text() == "mine"
    ended = run_imgcls(*words, "--force")
    assert ended.returncode == 0, ended
    assert json.loads(ended.stdout)["recipe"] == "digits_tune"
    assert (tmp_path / "x.html").read_text().startswith("<!DOCTYPE html>")
    assert not (study.path / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none",), "none: is no folder of `imgcls tune`: there is no tune.json in it"),
        (("runs",), "runs: is no folder of `imgcls tune`"),
        (("runs/search", "--html", "no/x.html"), "there is no folder"),
        (("runs/search", "--top", "0"), "0"),
    ],
)
def test_what_cannot_be_is_said_in_one_message(run_imgcls, study, words, said):
    ended = run_imgcls("tune", "show", *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_folder_that_takes_no_page_is_shown_all_the_same(run_imgcls, study):
    (study.path / "report.html").mkdir()  # even root cannot write a file over it
    ended = run_imgcls("tune", "show", study.path)
    assert ended.returncode == 0, ended
    assert "12 of 40 trials" in ended.stdout
    assert "report.html: cannot be written: Is a directory; --html names another place" in ended.stderr
    assert "page:" not in ended.stdout
