"""Lists of ``path label`` lines."""

import pytest

from imgcls import UserError
from imgcls_datasets import list_file
from imgcls_datasets.options import ListFile

NAMES = ["a.jpg", "with two  blanks.jpg", "a, b.jpg", "ünïcode/文字.jpg", "7.jpg", "n 3.jpg"]


@pytest.fixture
def folder(tmp_path, encoded):
    for number, name in enumerate(NAMES):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded(number))
    return tmp_path


def put(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8", newline="")


def found(folder, split="train", **options):
    source = list_file.build(ListFile(root=str(folder), **options), split)
    return source and (source.classes, list(zip(source.paths, source.labels.tolist(), strict=True)))


@pytest.mark.parametrize("end", ["\n", "\r\n", " \n"])
@pytest.mark.parametrize("gap", [" ", "\t", "  "])
def test_the_label_is_what_comes_after_the_last_blank(folder, encoded, images_of, gap, end):
    rows = [(name, number % 3) for number, name in enumerate(NAMES)]
    put(folder, "train_list.txt", "".join(f"{name}{gap}{label}{end}" for name, label in rows))
    assert found(folder, val="") == (("0", "1", "2"), rows)
    assert images_of(list_file.build(ListFile(root=str(folder)), "train")) == [
        encoded(n) for n in range(len(NAMES))
    ]


def test_validation_has_a_list_of_its_own_or_none(folder):
    put(folder, "train_list.txt", "a.jpg 0\n7.jpg 1\n")
    put(folder, "val_list.txt", "n 3.jpg 1\n")
    assert found(folder, "validation") == (("0", "1"), [("n 3.jpg", 1)])
    assert found(folder, "validation", val="") is None
    (folder / "val_list.txt").unlink()
    with pytest.raises(UserError, match=r"there is no file .*val_list.txt"):
        found(folder, "validation")


@pytest.mark.parametrize("text", ["cat\ndog, wild\n犬\n", "0 cat\n1 dog, wild\n2 犬\n"])
def test_class_names_come_from_a_file_with_or_without_numbers(folder, text):
    put(folder, "train_list.txt", "a.jpg 0\n7.jpg 2\n")
    put(folder, "names.txt", text)
    assert found(folder, classes="names.txt") == (("cat", "dog, wild", "犬"), [("a.jpg", 0), ("7.jpg", 2)])


def test_lists_may_lie_elsewhere(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("lists")
    put(elsewhere, "t.txt", f"a.jpg 0\n{folder / '7.jpg'} 1\n")
    assert len(found(folder, train=str(elsewhere / "t.txt"))[1]) == 2


BAD = [
    ("a.jpg 0\na.jpg\n7.jpg one\n\n7.jpg -1\n 3\n", ["train_list.txt:2: expected 'path label'", "train_list.txt:3: .*got '7.jpg one'", "train_list.txt:5: ", "train_list.txt:6: ", "4 problems"]),
    ("a.jpg 0\ngone.jpg 1\n", ["train_list.txt:2: there is no file .*/gone.jpg"]),
    ("a.jpg 0\n7.jpg 3\n", ["labels go up to 3, but no image has 1, 2; .*data.classes"]),
    ("a.jpg 1\n", ["labels go up to 1, but no image has 0;"]),
    ("a.jpg 0\n7.jpg 999999999\n", ["labels go up to 999999999, but no image has 1, 2, 3"]),
    ("a.jpg 0\n7.jpg 99999999999999999999\n", ["train_list.txt:2: expected"]),
    ("a.jpg ٣\n", ["train_list.txt:1: expected"]),
    ("", ["train_list.txt: is empty"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "messages"), BAD, ids=range(len(BAD)))
def test_what_is_wrong_is_said_with_its_line(folder, text, messages):
    put(folder, "train_list.txt", text)
    for message in messages:
        with pytest.raises(UserError, match=message):
            found(folder)


def test_labels_outside_the_classes_are_said_with_their_line(folder):
    put(folder, "train_list.txt", "a.jpg 0\n7.jpg 1\n")
    put(folder, "val_list.txt", "a.jpg 0\n7.jpg 2\n")
    with pytest.raises(UserError, match=r"val_list.txt:2: the label 2 is not in 0..1"):
        found(folder, "validation")


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        found(tmp_path / "none")
