"""A space as it is written, read, ordered, and laid over a recipe."""

from __future__ import annotations

import json
import tomllib
from importlib.metadata import distribution

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcls.plugins import Plugins
from imgcls.recipe import read
from imgcls.recipe.tables import show
from imgcls.tuning.parse import parse
from imgcls.tuning.space import (
    Choice,
    LogUniform,
    Parameter,
    Randint,
    Uniform,
    active,
    domain_json,
    overrides_of,
    same,
    written,
)

PLUGINS = Plugins(distribution("imgcls").entry_points.select(group="imgcls"))


def parsed(text):
    """The parameters of a space in TOML, and what is wrong with it: (path, text)."""
    faults = []
    return parse(tomllib.loads(text), lambda path, said: faults.append((path, said))), faults


def read_right(text):
    parameters, faults = parsed(text)
    assert faults == []
    return parameters


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("{ uniform = [0, 1] }", Uniform(0.0, 1.0)),
        ("{ uniform = [0.5, 0.99], step = 0.01 }", Uniform(0.5, 0.99, 0.01)),
        ("{ uniform = [-1, 1], step = 2 }", Uniform(-1.0, 1.0, 2.0)),
        ("{ log_uniform = [1e-4, 1] }", LogUniform(1e-4, 1.0)),
        ("{ randint = [0, 15] }", Randint(0, 15)),
        ("{ randint = [32, 256], step = 32 }", Randint(32, 256, 32)),
        ("{ log_randint = [1, 1024] }", Randint(1, 1024, log=True)),
        ('["a", 1, 1.0, true, [1, 2], { a = 1 }]', Choice(("a", 1, 1.0, True, [1, 2], {"a": 1}))),
        ('{ choice = ["a"] }', Choice(("a",))),
        ("[[], [[1]]]", Choice(([], [[1]]))),
    ],
)
def test_a_domain_is_read_as_written_and_written_so_that_it_reads_the_same(text, domain):
    (parameter,) = read_right(f'"optimizer.lr" = {text}')
    assert parameter == Parameter("optimizer.lr", domain)
    again = read_right(f'"optimizer.lr" = {show(written(parameter))}')
    assert again == (parameter,)
    assert [type(value) for value in again[0].domain.tried] == [type(value) for value in domain.tried]


@pytest.mark.parametrize(
    ("domain", "values"),
    [
        (Uniform(0.5, 0.7, 0.1), (0.5, 0.6, 0.7)),
        (Uniform(0.0, 1.0), None),
        (LogUniform(0.1, 1.0), None),
        (Randint(1, 3), (1, 2, 3)),
        (Randint(2, 10, 4), (2, 6, 10)),
        (Randint(1, 4, log=True), (1, 2, 3, 4)),
        (Choice(("b", "a")), ("b", "a")),
    ],
)
def test_a_domain_has_all_its_values_in_order_where_there_is_an_end_of_them(domain, values):
    assert domain.grid == values


CHAIN = """\
"c.x" = { uniform = [0, 1], when = { "b.x" = [2, 3] } }
"b.x" = { randint = [1, 3], when = { "a.x" = "on" } }
"d.x" = { uniform = [0, 1] }
"a.x" = ["on", "off"]
"e.x" = { choice = [true, false], when = { "a.x" = ["on", "off"], "b.x" = 1 } }
"""


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({"a.x": "on", "b.x": 2}, ["d.x", "a.x", "b.x", "c.x"]),
        ({"a.x": "on", "b.x": 1}, ["d.x", "a.x", "b.x", "e.x"]),
        ({"a.x": "off", "b.x": 2}, ["d.x", "a.x"]),  # what is not there does not count
        ({"a.x": "on"}, ["d.x", "a.x", "b.x"]),
        ({"a.x": "on", "b.x": True}, ["d.x", "a.x", "b.x"]),  # true is not 1
        ({}, ["d.x", "a.x"]),
    ],
)
def test_a_parameter_is_there_only_if_what_it_depends_on_is_there_and_has_the_value(values, keys):
    parameters = read_right(CHAIN)
    assert [p.key for p in parameters] == ["d.x", "a.x", "b.x", "c.x", "e.x"]
    assert [p.key for p in active(parameters, values)] == keys


RECIPE = """\
model = { name = "lenet5", padding = 2 }
data = "digits"
augment = ["horizontal_flip", { name = "rand_augment", layers = 3 }]

[optimizer]
name = "sgd"
lr = 0.1
momentum = 0.5

[train]
epochs = 2
batch_size = 64
"""


@pytest.fixture
def laid(tmp_path):
    """The recipe with values laid over it."""
    path = tmp_path / "x.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return lambda values: read(path, PLUGINS, (), overrides_of(values))


def test_a_name_is_laid_before_the_options_of_what_it_names(laid):
    recipe = laid({"optimizer.lr": 0.5, "optimizer.weight_decay": 0.25, "optimizer.name": "adamw"})
    assert recipe.optimizer.found.name == "adamw"
    assert (recipe.optimizer.options.lr, recipe.optimizer.options.weight_decay) == (0.5, 0.25)


def test_the_same_name_keeps_the_options_of_the_recipe(laid):
    recipe = laid({"optimizer.lr": 0.5, "optimizer.name": "sgd", "model": "lenet5"})
    assert (recipe.optimizer.options.lr, recipe.optimizer.options.momentum) == (0.5, 0.5)
    assert recipe.model.options.padding == 2


def test_another_name_drops_the_options_of_the_recipe(laid):
    assert laid({"model": "resnet18"}).model.found.name == "resnet18"
    assert laid({"model.name": "resnet18"}).model.found.name == "resnet18"


def test_items_of_lists_are_reached_by_name_and_by_number_and_renamed_first(laid):
    recipe = laid({"augment.rand_augment.magnitude": 7, "augment.1.layers": 4})
    assert (recipe.augment[1].options.magnitude, recipe.augment[1].options.layers) == (7.0, 4)
    recipe = laid({"augment.1.holes": 3, "augment.1.name": "cutout"})
    assert (recipe.augment[1].found.name, recipe.augment[1].options.holes) == ("cutout", 3)


def test_what_is_laid_later_changes_no_value_of_a_space(laid):
    chosen = [{"name": "rand_augment", "layers": 1}]
    recipe = laid({"augment": chosen, "augment.0.layers": 7})
    assert recipe.augment[0].options.layers == 7
    assert chosen == [{"name": "rand_augment", "layers": 1}]


def test_a_value_is_named_on_one_line_where_it_does_not_go_with_the_recipe():
    assert overrides_of({"optimizer.lr": 0.1}) == [("tune: optimizer.lr = 0.1", {"optimizer": {"lr": 0.1}})]
    ((label, _),) = overrides_of({"weights": 'a\nb"'})
    assert label == 'tune: weights = "a\\nb\\""'


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (1, 1, True),
        (1, True, False),
        (1, 1.0, False),
        ([1], [1], True),
        ([1], [True], False),
        ({"a": 0}, {"a": False}, False),
    ],
)
def test_values_are_the_same_only_if_toml_says_so(one, other, is_same):
    assert same(one, other) is is_same


finite = st.floats(-1e12, 1e12, allow_nan=False)
ends = st.tuples(finite, finite).filter(lambda pair: pair[0] < pair[1])
whole = st.tuples(st.integers(-(2**40), 2**40), st.integers(1, 2**20), st.integers(1, 1000))
scalars = st.one_of(st.booleans(), st.integers(-(2**62), 2**62), finite, st.text())
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
domains = st.one_of(
    ends.map(lambda pair: Uniform(*pair)),
    st.tuples(st.integers(-1000, 1000), st.integers(1, 100), st.sampled_from([0.01, 0.1, 0.25, 3.0])).map(
        lambda t: Uniform(float(t[0]), t[0] + t[1] * t[2], t[2])
    ),
    ends.filter(lambda pair: pair[0] > 0).map(lambda pair: LogUniform(*pair)),
    whole.map(lambda t: Randint(t[0], t[0] + t[1] * t[2], t[2])),
    whole.map(lambda t: Randint(abs(t[0]) + 1, abs(t[0]) + 1 + t[1], log=True)),
    st.lists(values, min_size=1, max_size=5, unique_by=show).map(lambda found: Choice(tuple(found))),
)
keys = st.lists(st.from_regex(r"[b-e][a-z]{0,5}", fullmatch=True), min_size=2, max_size=3).map(".".join)


@st.composite
def spaces(draw):
    """Parameters in order: each may depend on a choice among those before it."""
    parameters = [Parameter("a.first", Choice(("x", "y", 1, True)))]
    for key in draw(st.lists(keys, max_size=5, unique_by=lambda key: key.split(".")[0])):
        before = draw(st.sampled_from([p for p in parameters if isinstance(p.domain, Choice)]))
        some = draw(st.lists(st.sampled_from(before.domain.values), min_size=1, unique_by=show))
        # one list alone would be read as several values
        single = len(some) == 1 and isinstance(some[0], list)
        when = ((before.key, tuple(some)),) if draw(st.booleans()) and not single else ()
        parameters.append(Parameter(key, draw(domains), when))
    return tuple(parameters)


@settings(max_examples=60, deadline=None)
@given(spaces())
def test_any_space_is_the_same_after_json_and_after_toml(parameters):
    def complain(path, text):
        raise AssertionError(f"{path}: {text}")

    as_json = json.loads(json.dumps({p.key: domain_json(p) for p in parameters}))
    assert parse(as_json, complain) == parameters
    as_toml = tomllib.loads("\n".join(f"{show(p.key)} = {show(written(p))}" for p in parameters))
    assert parse(as_toml, complain) == parameters
