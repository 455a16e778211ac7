"""The table of a space: what is no domain, no key to search, or no condition is named."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcls.tuning.parse import parse


def parsed(text):
    """The parameters of a space in TOML, and what is wrong with it: (path, text)."""
    faults = []
    return parse(tomllib.loads(text), lambda path, said: faults.append((path, said))), faults


def read_right(text):
    parameters, faults = parsed(text)
    assert faults == []
    return parameters


def fault(text):
    _, faults = parsed(text)
    ((path, said),) = faults
    return ".".join(str(part) for part in path), said


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ('"optimizer.lr" = 3', "optimizer.lr", "expected a list of values, or a table with one of uniform, "),
        ('"optimizer.lr" = { lower = 1 }', "optimizer.lr", "expected a list of values, or a table with one of "),
        (
            "optimizer.lr = { uniform = [0, 1] }",
            "optimizer",
            "expected a list of values, or a table with one of uniform, log_uniform, randint, log_randint, choice; "
            'quotes make it one key, as in "optimizer.lr"',
        ),
        (
            '"optimizer.lr" = { uniform = [0, 1], randint = [0, 1] }',
            "optimizer.lr",
            "uniform and randint are two ranges; write one of them",
        ),
        ('"a.b" = { uniform = [0, 1], stp = 1 }', "a.b.stp", "unknown option; did you mean 'step'?"),
        ('"a.b" = { log_uniform = [1, 2], step = 1 }', "a.b.step", "does not go with log_uniform"),
        ('"a.b" = { log_randint = [1, 2], step = 1 }', "a.b.step", "does not go with log_randint"),
        ('"a.b" = { choice = [1, 2], step = 1 }', "a.b.step", "does not go with choice"),
        ('"a.b" = { uniform = [1] }', "a.b.uniform", "expected two numbers, [LOWEST, HIGHEST], got the list [1]"),
        (
            '"a.b" = { uniform = [1, true] }',
            "a.b.uniform",
            "expected two numbers, [LOWEST, HIGHEST], got the list",
        ),
        ('"a.b" = { uniform = [1, inf] }', "a.b.uniform", "expected two numbers, [LOWEST, HIGHEST], got the list"),
        ('"a.b" = { uniform = 3 }', "a.b.uniform", "expected two numbers, [LOWEST, HIGHEST], got the number 3"),
        (
            '"a.b" = { randint = [1, 2.5] }',
            "a.b.randint",
            "expected two whole numbers, [LOWEST, HIGHEST], got the",
        ),
        ('"a.b" = { uniform = [3, 1] }', "a.b.uniform", "the lower end 3 is not below the upper end 1"),
        ('"a.b" = { randint = [2, 2] }', "a.b.randint", "the lower end 2 is not below the upper end 2"),
        (
            '"a.b" = { log_uniform = [0, 1] }',
            "a.b.log_uniform",
            "the lower end 0 has no logarithm; it must be above 0",
        ),
        (
            '"a.b" = { log_randint = [0, 9] }',
            "a.b.log_randint",
            "the lower end 0 has no logarithm; it must be above 0",
        ),
        ('"a.b" = { uniform = [0, 1], step = 0 }', "a.b.step", "expected a number above 0, got the number 0"),
        ('"a.b" = { uniform = [0, 1], step = "1" }', "a.b.step", 'expected a number above 0, got the string "1"'),
        (
            '"a.b" = { randint = [0, 4], step = 0.5 }',
            "a.b.step",
            "expected a whole number above 0, got the number 0.5",
        ),
        (
            '"a.b" = { uniform = [0.5, 0.99], step = 0.2 }',
            "a.b.step",
            "0.2 does not lead from 0.5 to 0.99; the last step ends at 0.9",
        ),
        ('"a.b" = { randint = [0, 3], step = 5 }', "a.b.step", "5 does not lead from 0 to 3"),
        ('"a.b" = []', "a.b", "there is no value to choose"),
        ('"a.b" = { choice = 3 }', "a.b.choice", "expected a list, got the number 3"),
        ('"a.b" = ["x", 1, "x"]', "a.b", '"x" is there twice'),
        ('"a.b" = [1, nan]', "a.b", "expected strings, booleans, finite numbers, lists or tables, got the number"),
        (
            '"a.b" = [2020-01-01]',
            "a.b",
            "expected strings, booleans, finite numbers, lists or tables, got the date",
        ),
        (
            '"a.b" = [[2020-01-01]]',
            "a.b",
            "expected strings, booleans, finite numbers, lists or tables, got the l",
        ),
        ('"a b" = [1, 2]', "a b", "'a b' is not a key, as in optimizer.lr"),
        ('"" = [1, 2]', "", "'' is not a key, as in optimizer.lr"),
        ('"a = 1\\nb" = [1, 2]', "a = 1\nb", "'a = 1 b' is not a key, as in optimizer.lr"),
        ('"tune.trials" = [1, 2]', "tune.trials", "cannot be searched: a search does not search itself"),
        (
            '"workers.count" = [1, 2]',
            "workers.count",
            "cannot be searched: it changes how a run is carried out, not",
        ),
        (
            '"loading.threads" = [1, 2]',
            "loading.threads",
            "cannot be searched: it changes how a run is carried out",
        ),
        (
            '"checkpoint.keep" = [1, 2]',
            "checkpoint.keep",
            "cannot be searched: it changes how a run is carried out",
        ),
        ('track = ["csv", "x"]', "track", "cannot be searched: it says where figures go, not what is trained"),
        ('"expect.top1" = [1, 2]', "expect.top1", "cannot be searched: it is what the recipe reaches"),
        ("seed = [1, 2]", "seed", "cannot be searched: the best of several seeds is luck"),
        ('about = ["a"]', "about", "cannot be searched: it is a text, and changes nothing"),
        ('extends = ["a"]', "extends", "cannot be searched: it is read before anything is laid over the recipe"),
        ('"data.validation" = [0.1, 0.2]', "data.validation", "cannot be searched: trials on other data"),
        (
            '"augment.cutout.name" = ["cutout"]',
            "augment.cutout.name",
            "its own name is in the key; write its position, as in augment.0.name",
        ),
        (
            'model = ["a", "b"]\n"model.name" = ["a"]',
            "model.name",
            '"model" sets it, too; leave one of the two out',
        ),
        (
            '"optimizer.lr" = [1, 2]\noptimizer = [{ name = "sgd", lr = 1 }]',
            "optimizer",
            '"optimizer.lr" sets it, too; leave one of the two out',
        ),
        (
            'augment = [[], ["cutout"]]\n"augment.0.size" = [1]',
            "augment.0.size",
            '"augment" sets it, too; leave one of the two out',
        ),
    ],
)
def test_what_is_no_domain_or_no_key_to_search_is_named(text, key, said):
    found, words = fault(text)
    assert found == key
    assert words.startswith(said)


@pytest.mark.parametrize(
    ("when", "key", "said"),
    [
        ("3", "when", 'expected a table such as { "optimizer.name" = "sgd" }, got the number 3'),
        ("{}", "when", 'expected a table such as { "optimizer.name" = "sgd" }, got an empty table'),
        ('{ "a.nam" = "x" }', "when.a.nam", 'is not in the space; did you mean "a.name"?'),
        ('{ zzzz = "x" }', "when.zzzz", 'is not in the space; it has "a.name", "a.n", "a.f", "a.b"'),
        ('{ "a.name" = "z" }', "when.a.name", '"z" is not one of its values: "x", "y"'),
        ('{ "a.name" = [] }', "when.a.name", 'names no value; it has: "x", "y"'),
        ('{ "a.n" = 4 }', "when.a.n", "4 is not one of its values: 1 to 3"),
        ('{ "a.n" = true }', "when.a.n", "true is not one of its values: 1 to 3"),
        (
            '{ "a.f" = 0.5 }',
            "when.a.f",
            "is a range of fractions, of which hardly any comes up; a condition needs a",
        ),
        ('{ "a.b" = 1 }', "when", 'depends on itself: "a.b" when "a.b"'),
    ],
)
def test_a_condition_that_cannot_be_is_named(when, key, said):
    space = '"a.name" = ["x", "y"]\n"a.n" = { randint = [1, 3] }\n"a.f" = { uniform = [0, 1] }\n'
    found, words = fault(f'{space}"a.b" = {{ choice = [1, 2], when = {when} }}')
    assert found == f"a.b.{key}"
    assert words.startswith(said)


def test_conditions_that_go_round_are_named_once():
    text = """\
"a.x" = { choice = [1], when = { "a.z" = 1 } }
"a.y" = { choice = [1], when = { "a.x" = 1 } }
"a.z" = { choice = [1], when = { "a.y" = 1 } }
"a.w" = { choice = [1], when = { "a.z" = 1 } }
"""
    assert fault(text) == ("a.x.when", 'depends on itself: "a.x" when "a.z" when "a.y" when "a.x"')


def test_a_bad_entry_is_no_second_problem_for_what_depends_on_it():
    assert fault('"a.x" = []\n"a.y" = { choice = [1], when = { "a.x" = 1 } }')[0] == "a.x"


def test_every_fault_of_a_space_is_said():
    _, faults = parsed(
        '"a.x" = []\n"seed" = [1]\n"a.y" = { choice = [1], when = { "a.q" = 1, "a.x" = 1 } }\n"a.z" = 1'
    )
    assert [path for path, _ in faults] == [("a.x",), ("seed",), ("a.z",), ("a.y", "when", "a.q")]


def test_a_condition_may_say_a_key_in_its_long_or_its_short_form():
    parameters = read_right('"model.name" = ["a", "b"]\n"x.y" = { choice = [1], when = { model = "a" } }')
    assert parameters[1].when == (("model.name", ("a",)),)
    parameters = read_right('model = ["a", "b"]\n"x.y" = { choice = [1], when = { "model.name" = "a" } }')
    assert parameters[1].when == (("model", ("a",)),)


finite = st.floats(-1e12, 1e12, allow_nan=False)
scalars = st.one_of(st.booleans(), st.integers(-(2**62), 2**62), finite, st.text())
odd = st.recursive(
    st.one_of(scalars, st.sampled_from([float("nan"), float("inf"), 2**70, "sgd", "optimizer.name", 0])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["uniform", "log_uniform", "randint", "log_randint", "choice", "step", "when", "optimizer.name"]
            ),
            inner,
            max_size=3,
        )
    ),
)
odd_keys = st.sampled_from(
    ["optimizer.lr", "optimizer.name", "optimizer", "augment.0.layers", "augment", "model", ".", ""]
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(odd_keys, odd, max_size=4))
def test_any_table_is_a_space_or_is_named(table):
    faults = []
    parameters = parse(table, lambda path, text: faults.append((path, text)))
    assert faults or [p.key for p in parameters if p.key not in table] == []
    assert faults or len(parameters) == len(table)
    assert all(path[0] in table and text for path, text in faults)
