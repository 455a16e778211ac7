"""The table of an evaluation: the worst classes first, and every class where it is asked for."""

import pytest

from imgcls.report.assessment import lines


def found(classes, **more):
    """Three samples a class; class i has i % 4 of them right, the rest are taken for the class after it."""
    right = [i % 4 for i in range(classes)]
    matrix = [[0] * classes for _ in range(classes)]
    for i in range(classes):
        matrix[i][i] = right[i]
        matrix[i][(i + 1) % classes] += 3 - right[i]
    rows = [
        {"name": f"class-{i}", "n": 3, "top1": 100 * right[i] / 3, "precision": None, "f1": 50.0}
        for i in range(classes)
    ]
    figures = {"n": 3 * classes, "top1": 50.0, "top5": 75.0, "loss": 0.5, "ece": None, "mean_class_top1": 50.0}
    base = {"model": "m", "data": "d", "macro_f1": 50.0, "no_number": 0, "left_out": []}
    return {**base, **figures, "classes": rows, "confusion": matrix, **more}


def names(text):
    return [line.split()[0] for line in text if line.startswith("class-")]


def test_of_many_classes_the_worst_ten_and_the_most_frequent_confusions():
    text = lines(found(40))
    assert names(text) == [f"class-{i}" for i in range(0, 40, 4)]
    assert any(line.startswith("class (the worst 10 of 40)") for line in text)
    start = text.index("most frequent confusions")
    assert text[start + 1] == "      3  class-0 taken for class-1"
    assert len(text[start + 1 :]) == 10


def test_every_class_in_order_where_it_is_asked_for():
    assert names(lines(found(40), all_classes=True)) == [f"class-{i}" for i in range(40)]


def test_of_few_classes_the_whole_matrix():
    text = lines(found(4))
    start = text.index("rows: the true class; columns: what it was taken for")
    assert [line.split()[1:] for line in text[start + 2 :]] == [
        [".", "3", ".", "."],
        [".", "1", "2", "."],
        [".", ".", "2", "1"],
        [".", ".", ".", "3"],
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"no_number": 2}, "answers no number   2, counted as wrong"),
        ({"left_out": [{}]}, "left out            1, because they cannot be decoded"),
        ({"ece": 1.5}, "calibration error   1.50 %  (ECE, 15 bins of equal width, arXiv:1706.04599)"),
    ],
)
def test_what_is_not_as_usual_is_said(more, said):
    assert said in lines(found(4, **more))
    assert said not in lines(found(4))


def test_names_of_any_length_keep_the_columns():
    many = found(3)
    many["classes"][0]["name"] = "n" * 99
    rows = [line for line in lines(many) if line.endswith("50.00")]
    assert len({len(line) for line in rows}) == 1
    assert rows[0].startswith("n" * 27 + "...")
