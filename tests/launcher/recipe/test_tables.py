from typing import Annotated

import pytest
from annotated_types import Ge

from imgcls import options
from imgcls.recipe.tables import check_table, describe


@options
class Warmup:
    epochs: Annotated[int, Ge(0)] = 0


@options
class Nested:
    warmup: Warmup = Warmup()
    length: int = 3
    label: str = "x"


def test_a_table_within_the_options_becomes_an_object():
    value, faults = check_table({"warmup": {"epochs": 2}}, Nested)
    assert (value, faults) == (Nested(warmup=Warmup(epochs=2)), [])


def test_an_unknown_key_of_an_inner_table_is_answered_with_the_names_of_that_table():
    value, faults = check_table({"warmup": {"epoch": 2}}, Nested)
    assert value is None
    assert faults == [(("warmup", "epoch"), "unknown option; did you mean 'epochs'?")]


def test_a_value_for_an_inner_table_is_refused():
    assert check_table({"warmup": 3}, Nested)[1] == [(("warmup",), "expected a table, got the number 3")]


def test_defaults_lie_below_the_table():
    value, faults = check_table({"length": 4}, Nested, Nested(label="y", length=9))
    assert (value, faults) == (Nested(label="y", length=4), [])


def test_every_fault_is_reported():
    faults = dict(check_table({"length": "3", "label": 4, "warmup": {"epochs": -1}}, Nested)[1])
    assert faults.keys() == {("length",), ("label",), ("warmup", "epochs")}


def test_options_are_frozen_and_given_by_name():
    with pytest.raises(AttributeError):
        Warmup().epochs = 3
    with pytest.raises(TypeError):
        Warmup(3)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "the boolean true"),
        (1, "the number 1"),
        (1.5, "the number 1.5"),
        ("é", 'the string "é"'),
        ([1, "a"], 'the list [1, "a"]'),
        ({"a b": 1}, 'the table { "a b" = 1 }'),
    ],
)
def test_a_value_is_described_as_written(value, words):
    assert describe(value) == words
