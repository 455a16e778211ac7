"""Paths and classes from CSV files: what is in them comes out, what is wrong in them is said with its line."""

import csv

import numpy as np
import pytest

from imgcls import UserError
from imgcls_datasets import csv_file
from imgcls_datasets.options import CsvFile

NAMES = [
    "a.jpg",
    "with blank.jpg",
    'a, "b".jpg',
    "ünïcode/文字.jpg",
    "ελ/ /x.jpg",
    "line\nbreak.jpg",
    "'q'.jpg",
    "e\u0301.jpg",
]


@pytest.fixture
def folder(tmp_path, encoded):
    for number, name in enumerate(NAMES):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded(number))
    return tmp_path


def put(file, rows, **form):
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, **form).writerows(rows)
    return file


def found(file, split="train", **options):
    source = csv_file.build(CsvFile(file=str(file), **options), split)
    return source and list(zip(source.paths, [source.classes[label] for label in source.labels], strict=True))


@pytest.mark.parametrize("form", [{}, {"lineterminator": "\n"}, {"quoting": csv.QUOTE_ALL}])
def test_names_of_every_kind_come_out_as_they_are(folder, form, encoded, images_of):
    rows = [[name, label] for name, label in zip(NAMES, ["cat", "dog, wild", "猫", "d g"] * 2, strict=True)]
    put(folder / "x.csv", [["path", "label"], *rows], **form)
    assert found(folder / "x.csv") == [tuple(row) for row in rows]
    source = csv_file.build(CsvFile(file=str(folder / "x.csv")), "train")
    assert source.classes == ("cat", "d g", "dog, wild", "猫")
    assert source.weights is None
    assert images_of(source) == [encoded(number) for number in range(len(NAMES))]
    assert found(folder / "x.csv", "validation") is None


def test_tsv_files_are_split_at_tabs_and_other_delimiters_can_be_set(folder):
    rows = [["path", "label"], ["a.jpg", "x"], ['a, "b".jpg', "y"]]
    put(folder / "x.tsv", rows, delimiter="\t")
    put(folder / "x.txt", rows, delimiter=";")
    expected = [("a.jpg", "x"), ('a, "b".jpg', "y")]
    assert found(folder / "x.tsv") == found(folder / "x.txt", delimiter=";") == expected


def test_headers_can_be_named_and_other_columns_are_passed_over(folder):
    put(folder / "x.csv", [["n", "w", " file ", "kind", "when"], ["1", "0.5", "a.jpg", "x", "val"],
                           ["2", "2", "with blank.jpg", "x", "train"], ["3", "0", "'q'.jpg", "y", "TRAIN"]])  # fmt: skip
    names = {"path_column": "file", "label_column": "kind", "weight_column": "w", "split_column": "when"}
    assert found(folder / "x.csv", **names) == [("with blank.jpg", "x"), ("'q'.jpg", "y")]
    assert found(folder / "x.csv", "validation", **names) == [("a.jpg", "x")]
    source = csv_file.build(CsvFile(file=str(folder / "x.csv"), **names), "train")
    assert source.weights.tolist() == [2.0, 0.0]
    assert source.weights.dtype == np.float64
    assert csv_file.build(CsvFile(file=str(folder / "x.csv"), **names), "validation").weights is None


def test_test_rows_are_validation_only_where_there_are_no_others(folder):
    rows = [["path", "label", "split"], ["a.jpg", "x", "train"], ["with blank.jpg", "x", "test"]]
    put(folder / "x.csv", rows)
    assert found(folder / "x.csv", "validation") == [("with blank.jpg", "x")]
    put(folder / "x.csv", [*rows, ["'q'.jpg", "x", "val"]])
    assert found(folder / "x.csv", "validation") == [("'q'.jpg", "x")]


@pytest.mark.parametrize("marked", [False, True])
def test_validation_can_be_a_file_of_its_own(folder, marked):
    put(folder / "t.csv", [["path", "label"], ["a.jpg", "x"], ["'q'.jpg", "y"]])
    header, row = ["path", "label"], ["with blank.jpg", "y"]
    put(folder / "v.csv", [[*header, "split"], [*row, "val"]] if marked else [header, row])
    assert found(folder / "t.csv", "validation", val=str(folder / "v.csv")) == [("with blank.jpg", "y")]
    put(folder / "t.csv", [["path", "label", "split"], ["a.jpg", "x", "train"], ["'q'.jpg", "y", "val"]])
    with pytest.raises(UserError, match=r"t.csv:3: the column 'split' names rows of validation"):
        found(folder / "t.csv", val=str(folder / "v.csv"))


def test_paths_are_relative_to_root_where_there_is_one(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("lists")
    put(elsewhere / "x.csv", [["path", "label"], ["a.jpg", "x"]])
    assert found(elsewhere / "x.csv", root=str(folder)) == [("a.jpg", "x")]
    put(folder / "in root.csv", [["path", "label"], ["'q'.jpg", "y"]])
    assert found("in root.csv", root=str(folder)) == [("'q'.jpg", "y")]


def test_absolute_paths_are_read_too(folder, images_of, encoded):
    put(folder / "x.csv", [["path", "label"], [str(folder / "a.jpg"), "x"], ["with blank.jpg", "y"]])
    source = csv_file.build(CsvFile(file=str(folder / "x.csv")), "train")
    assert images_of(source) == [encoded(0), encoded(1)]
    assert not any(path.startswith("/") for path in source.paths)


def test_a_classes_file_sets_the_order_and_may_name_more_than_there_are(folder):
    put(folder / "x.csv", [["path", "label"], ["a.jpg", "x"], ["'q'.jpg", "y"]])
    (folder / "c.txt").write_text("y\nnone\nx\n")
    source = csv_file.build(CsvFile(file=str(folder / "x.csv"), classes="c.txt"), "train")
    assert source.classes == ("y", "none", "x")
    assert source.labels.tolist() == [2, 0]
    (folder / "c.txt").write_text("y\nz\n")
    with pytest.raises(UserError, match=r"x.csv:2: the class 'x' is not one of the 2 classes in c.txt"):
        csv_file.build(CsvFile(file=str(folder / "x.csv"), classes="c.txt"), "train")
    for text, message in (
        ("a\n\nb\n", "c.txt:2: the line is empty"),
        ("a\nb\na\n", "c.txt:3: the class name 'a' is already on line 1"),
        ("\n", "holds no class names"),
    ):
        (folder / "c.txt").write_text(text)
        with pytest.raises(UserError, match=message):
            csv_file.build(CsvFile(file=str(folder / "x.csv"), classes="c.txt"), "train")


def test_a_byte_order_mark_and_empty_lines_are_passed_over(folder):
    (folder / "x.csv").write_bytes(b"\xef\xbb\xbfpath,label\r\n\r\na.jpg,x\r\n\r\n")
    assert found(folder / "x.csv") == [("a.jpg", "x")]


BAD = [
    ("path,label\na.jpg,x\ngone.jpg,x\nb/gone.jpg,y\n", [r"x.csv:3: there is no file .*/gone.jpg", "x.csv:4: ", "2 problems"]),
    ("path,label\na.jpg,x,more\n", ["x.csv:2: 3 fields, but the header has 2"]),
    ("path,label\na.jpg\n", ["x.csv:2: 1 fields, but the header has 2"]),
    ("path,label\na.jpg, \n", ["x.csv:2: the label is empty"]),
    ("path,label\n,x\n", ["x.csv:2: the path is empty"]),
    ("file,class\na.jpg,x\n", [r"x.csv:1: there is no column 'path' and no column 'label'; there are 'file', 'class'"]),
    ("path;label\na.jpg;x\n", [r"there are 'path;label' \(split at ','\)"]),
    ("", ["x.csv:1: there is no column 'path'", "there are none"]),
    ("path,label,path\na.jpg,x,y\n", ["x.csv:1: the column 'path' is there twice"]),
    ("path,label,weight\na.jpg,x,1\na.jpg,x,heavy\na.jpg,x,-1\na.jpg,x,inf\n", ["x.csv:3: the weight 'heavy'", "x.csv:4: the weight '-1'", "x.csv:5: the weight 'inf'"]),
    ("path,label,weight\na.jpg,x,0\n", ["all weights are 0"]),
    ("path,label,split\na.jpg,x,holdout\n", ["x.csv:2: the split 'holdout' is not one of train, "]),
    ('path,label\na.jpg,x\n"a.jpg"b,x\n', ["x.csv:3: .*; quote a field"]),
    ('path,label\n"a.jpg,x\n', ["x.csv:2: unexpected end of data"]),
    ("path,label\n\"line\nbreak.jpg\",x\ngone.jpg,x\n", ["x.csv:4: there is no file"]),
    ("path,label\n\"line\nbr.jpg\",x\na.jpg,x\n", ["x.csv:2: there is no file"]),
    ("path,label\nNUL\0.jpg,x\n.,x\nünïcode/..,x\n", ["x.csv:2: there is no file", "x.csv:3: ", "x.csv:4: "]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "messages"), BAD, ids=range(len(BAD)))
def test_what_is_wrong_is_said_with_its_line(folder, text, messages):
    (folder / "x.csv").write_text(text, encoding="utf-8", newline="")
    for message in messages:
        with pytest.raises(UserError, match=message):
            found(folder / "x.csv")


def test_classes_of_validation_that_training_lacks_are_said_with_their_line(folder):
    put(folder / "x.csv", [["path", "label", "split"], ["a.jpg", "x", "train"], ["'q'.jpg", "y", "val"]])
    with pytest.raises(UserError, match=r"x.csv:3: the class 'y' is not one of the 1 classes of training"):
        found(folder / "x.csv", "validation")


def test_only_the_first_of_many_problems_are_shown(folder):
    put(folder / "x.csv", [["path", "label"], *([f"{n}.jpg", "x"] for n in range(50))])
    with pytest.raises(UserError) as caught:
        found(folder / "x.csv")
    lines = str(caught.value).splitlines()
    assert len(lines) == 22
    assert lines[-2:] == ["... and 30 more", "50 problems; nothing was started."]


def test_another_encoding_is_said_with_its_line(folder):
    (folder / "x.csv").write_bytes("path,label\na.jpg,x\n\xe9.jpg,x\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"x.csv:3: is no UTF-8 text .*save the file as UTF-8"):
        found(folder / "x.csv")


def test_a_missing_file_and_missing_named_columns_are_said(folder):
    with pytest.raises(UserError, match=r"there is no file .*none.csv"):
        found(folder / "none.csv")
    put(folder / "x.csv", [["path", "label"], ["a.jpg", "x"]])
    with pytest.raises(UserError, match="there is no column 'w'"):
        found(folder / "x.csv", weight_column="w")
    with pytest.raises(UserError, match="delimiter must be one character"):
        found(folder / "x.csv", delimiter=",,")
