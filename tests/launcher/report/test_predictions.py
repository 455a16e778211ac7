"""One line an image in each format, with names that are no plain text."""

import csv
import json
import os

from imgcls.report.predictions import FORMATS, printable, writer

NAMES = ['a "b", c.png', "new\nline.png", os.fsdecode(b"\xff.png"), "\x1b[31mred.png"]
TOP = (("cat, tabby", 0.75), ("dög", 0.2500004))


def text(form, top=2):
    head, line = writer(form, NAMES, ["cat, tabby", "dög", "x"], top)
    return head + line(NAMES[0], TOP, None) + "".join(line(name, (), "is empty") for name in NAMES[1:])


def test_csv_is_read_back_as_it_was():
    rows = list(csv.reader(text("csv").splitlines(keepends=True)))
    assert rows[0] == ["image", "class1", "probability1", "class2", "probability2", "error"]
    assert rows[1] == [NAMES[0], "cat, tabby", "0.750000", "dög", "0.250000", ""]
    assert rows[2:] == [[name, "", "", "", "", "is empty"] for name in NAMES[1:]]


def test_json_lines_are_read_back_as_they_were():
    rows = [json.loads(line) for line in text("jsonl").splitlines()]
    assert rows[0]["top"] == [{"class": "cat, tabby", "probability": 0.75}, {"class": "dög", "probability": 0.25}]
    assert rows[0]["error"] is None
    assert [(row["image"], row["top"], row["error"]) for row in rows[1:]] == [
        (n, [], "is empty") for n in NAMES[1:]
    ]


def test_the_table_has_a_line_an_image_in_columns_and_steers_no_terminal():
    lines = text("table").splitlines()
    assert len(lines) == len(NAMES)
    assert all(line.isprintable() for line in lines)
    assert lines[0] == 'a "b", c.png      75.00 % cat, tabby   25.00 % dög'
    assert lines[1] == "new\\nline.png    error: is empty"
    assert len({line.index("error") for line in lines[1:]}) == 1


def test_what_cannot_be_printed_is_escaped():
    assert printable("dög \x1b\udcff\n") == "dög \\x1b\\udcff\\n"
    assert set(FORMATS) == {"table", "csv", "jsonl"}


def test_a_long_name_of_a_class_is_cut_in_the_table_alone():
    long = "c" * 99
    _, line = writer("table", ["a"], [long], 1)
    assert "c..." in line("a", [(long, 1.0)], None)
    assert long in writer("csv", ["a"], [long], 1)[1]("a", [(long, 1.0)], None)
