"""metrics.jsonl has every record once, also after a kill."""

import json

import pytest

from imgcls.train.callback import Tracker
from imgcls.train.journal import Journal


class Told(Tracker):
    def __init__(self):
        self.told = []

    def rewind(self, step):
        self.told.append(step)

    def log(self, record):
        self.told.append(dict(record))

    def close(self):
        self.told.append("closed")


def filled(tmp_path, steps=5):
    journal = Journal(tmp_path / "metrics.jsonl", [])
    for step in range(1, steps + 1):
        journal.log("train", step, 1, loss=step / 3)
    return journal


def steps(journal):
    return [json.loads(line)["step"] for line in journal.path.read_text().splitlines()]


def test_a_record_is_one_line_of_json(tmp_path):
    journal = Journal(tmp_path / "metrics.jsonl", [])
    journal.log("evaluation", 7, 2, top1=100 / 3, n=19)
    assert journal.path.read_text().endswith("\n")
    assert json.loads(journal.path.read_text()) == {
        "kind": "evaluation", "step": 7, "epoch": 2, "top1": 100 / 3, "n": 19,
    }  # fmt: skip


@pytest.mark.parametrize("step", [0, 1, 3, 5, 9])
def test_rewinding_forgets_what_came_later_and_nothing_else(tmp_path, step):
    journal = filled(tmp_path)
    before = journal.path.read_text().splitlines(keepends=True)
    journal.rewind(step)
    assert journal.path.read_text() == "".join(before[:step])
    journal.log("train", step + 1, 1, loss=0.0)
    assert steps(journal) == [*range(1, min(step, 5) + 1), step + 1]


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_last_line_cut_anywhere_is_forgotten(tmp_path, cut):
    journal = filled(tmp_path)
    text = journal.path.read_text()
    last = text.splitlines(keepends=True)[-1]
    journal.path.write_text(text[: -min(cut, len(last))])
    journal.rewind(5)
    assert steps(journal) == [1, 2, 3, 4]
    journal.log("train", 5, 1, loss=0.0)
    assert steps(journal) == [1, 2, 3, 4, 5]


def test_rewinding_what_is_not_there_is_nothing(tmp_path):
    journal = Journal(tmp_path / "metrics.jsonl", [])
    journal.rewind(3)
    assert not journal.path.exists()


def test_every_tracker_is_told_everything_in_order(tmp_path):
    trackers = [Told(), Told()]
    journal = Journal(tmp_path / "metrics.jsonl", trackers)
    journal.rewind(4)
    journal.log("train", 5, 1, loss=0.5)
    journal.close()
    for tracker in trackers:
        assert tracker.told == [4, {"kind": "train", "step": 5, "epoch": 1, "loss": 0.5}, "closed"]
