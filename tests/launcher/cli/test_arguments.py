import click
import pytest

from imgcls.cli.arguments import WorkerRange, workers_flag


@pytest.mark.parametrize(
    ("text", "workers"), [("0", (0, 0)), ("8", (0, 8)), ("4..16", (4, 16)), ("1..1", (1, 1)), ("4096", (0, 4096))]
)
def test_workers_are_a_number_or_a_range(text, workers):
    assert WorkerRange().convert(text, None, None) == workers


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("16..4", "16..4: the first number is the larger one; write 4..16"),
        ("4..0", "4..0: the first number is the larger one; write 1..4"),
        ("0..4", "0..4: one worker at least must train; write 1..4"),
        ("4..", "'4..' is neither a number, such as 8, nor a range, such as 4..16"),
        ("..4", "'..4' is neither a number"),
        ("4...8", "'4...8' is neither a number"),
        ("-1", "'-1' is neither a number"),
        ("many", "'many' is neither a number"),
        ("4..5000", "4..5000: 4096 workers at most"),
    ],
)
def test_a_bad_number_of_workers_is_one_message(text, told):
    with pytest.raises(click.BadParameter) as caught:
        WorkerRange().convert(text, None, None)
    assert told in caught.value.message


@pytest.mark.parametrize(
    ("workers", "text", "table"),
    [
        ((0, 8), "--workers 8", {"count": 8, "least": 0}),  # also where the recipe has a range
        ((4, 16), "--workers 4..16", {"count": 16, "least": 4}),
        ((2, 2), "--workers 2..2", {"count": 2, "least": 0}),
    ],
)
def test_the_option_sets_both_ends_of_the_range(workers, text, table):
    assert workers_flag(workers) == (text, {"workers": table})
