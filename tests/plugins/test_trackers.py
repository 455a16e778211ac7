"""CSV files have every record once, also after a kill."""

import csv

import pytest

from imgcls_trackers.csv_file import build
from imgcls_trackers.options import Csv


def tracker(folder, prefix="metrics"):
    return build(Csv(prefix=prefix), folder=folder)


def filled(folder, steps=5):
    made = tracker(folder)
    for step in range(1, steps + 1):
        made.log({"kind": "train", "step": step, "epoch": 1, "loss": step / 3})
    made.log({"kind": "evaluation", "step": steps, "epoch": 1, "top1": 50.0, "n": 19})
    return made


def rows(folder, kind="train"):
    with (folder / f"metrics-{kind}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_kind_of_record_has_a_file_with_a_header(tmp_path):
    filled(tmp_path, 2)
    assert rows(tmp_path) == [
        {"step": "1", "epoch": "1", "loss": str(1 / 3)},
        {"step": "2", "epoch": "1", "loss": str(2 / 3)},
    ]
    assert rows(tmp_path, "evaluation") == [{"step": "2", "epoch": "1", "top1": "50.0", "n": "19"}]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics-evaluation.csv", "metrics-train.csv"]


def test_the_prefix_names_the_files(tmp_path):
    tracker(tmp_path, "other").log({"kind": "train", "step": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["other-train.csv"]


@pytest.mark.parametrize("step", [0, 1, 3, 5, 9])
def test_rewinding_forgets_what_came_later_and_nothing_else(tmp_path, step):
    filled(tmp_path)
    made = tracker(tmp_path)
    made.rewind(step)
    kept = list(range(1, min(step, 5) + 1))
    assert [int(row["step"]) for row in rows(tmp_path)] == kept
    assert len(rows(tmp_path, "evaluation")) == (step >= 5)
    made.log({"kind": "train", "step": step + 1, "epoch": 1, "loss": 0.0})
    made.close()
    assert [int(row["step"]) for row in rows(tmp_path)] == [*kept, step + 1]


def test_a_new_run_has_nothing_to_forget(tmp_path):
    tracker(tmp_path).rewind(0)
    assert list(tmp_path.iterdir()) == []


def continued(folder, text):
    """Leave a file as a kill would, continue after step 11, and return the rows."""
    made = tracker(folder)
    for step in (10, 11, 12):
        made.log({"kind": "train", "step": step, "epoch": 1, "loss": step / 3})
    path = folder / "metrics-train.csv"
    path.write_bytes(text(path.read_bytes()))
    made = tracker(folder)
    made.rewind(11)
    made.log({"kind": "train", "step": 12, "epoch": 1, "loss": 4.0})
    return [(row["step"], row["loss"]) for row in rows(folder)]


def test_a_last_row_cut_anywhere_is_forgotten(tmp_path):
    length = len(f"12,1,{12 / 3}\r\n")
    for cut in range(1, length + 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        found = continued(folder, lambda data, cut=cut: data[:-cut])
        assert found == [("10", str(10 / 3)), ("11", str(11 / 3)), ("12", "4.0")], f"cut by {cut}"


def test_a_header_cut_off_is_written_anew(tmp_path):
    made = tracker(tmp_path)
    (tmp_path / "metrics-train.csv").write_bytes(b"step,ep")
    made.rewind(0)
    made.log({"kind": "train", "step": 1, "epoch": 1, "loss": 4.0})
    assert rows(tmp_path) == [{"step": "1", "epoch": "1", "loss": "4.0"}]
