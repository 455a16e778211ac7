import tomllib
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcls.plan import resolve_format
from imgcls.recipe import find, read, shipped, to_toml
from imgcls.recipe.schema import Input
from imgcls.recipe.tables import show, show_key


def assert_same(one, two):
    for field in fields(one):
        if field.compare and field.name not in ("path", "input"):
            assert getattr(one, field.name) == getattr(two, field.name), field.name
    assert resolve_format(one) == resolve_format(two)


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("with_origins", [False, True])
def test_a_shown_recipe_read_again_is_the_same_recipe(plugins, write_recipe, name, with_origins):
    recipe = read(find(name), plugins)
    text = to_toml(recipe, with_origins)
    again = read(write_recipe(text), plugins)
    assert_same(recipe, again)
    assert to_toml(again) == to_toml(recipe)


def test_lists_of_components_and_odd_strings_survive(read_text, write_recipe, plugins, minimal):
    recipe = read_text(
        'about = "a \\"quote\\", a \\\\, a\\ttab,\\nline, \\u007f, \\u2028, é"\n'
        f'{minimal}[[track]]\nname = "csv"\nprefix = "#"\n[[track]]\nname = "csv"\n',
        'augment=["horizontal_flip", { name = "random_crop", padding = 9 }]',
    )
    assert_same(recipe, read(write_recipe(to_toml(recipe, with_origins=True), "again.toml"), plugins))


@pytest.mark.parametrize("override", ['about="""one\ntwo"""', "about=a\rb", "about=a\x1bb", "about=a\x7fb"])
def test_an_override_with_control_characters_breaks_no_comment(
    read_text, write_recipe, plugins, minimal, override
):
    recipe = read_text(minimal, override)
    assert_same(recipe, read(write_recipe(to_toml(recipe, with_origins=True), "again.toml"), plugins))


def test_a_shown_recipe_has_every_option_and_the_whole_format(read_text, minimal):
    tree = tomllib.loads(to_toml(read_text(minimal)))
    assert tree["optimizer"].keys() == {
        "name", "lr", "lr_scaling", "momentum", "nesterov", "weight_decay", "decay_norm_and_bias", "layer_decay",
    }  # fmt: skip
    assert tree["input"].keys() == {field.name for field in fields(Input)}
    assert tree["data"] == {"name": "digits", "validation": 0.1, "fraction": 1.0, "on_bad_image": "fail"}


def test_what_is_not_set_is_shown_as_a_comment(read_text, minimal):
    assert "# every_steps is not set\n" in to_toml(read_text(minimal))


VALUES = st.recursive(
    st.text()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.floats(allow_nan=False).map(lambda x: x * 1e-300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.text(), VALUES)
def test_every_value_is_shown_as_toml_that_means_it(key, value):
    assert tomllib.loads(f"{show_key(key)} = {show(value)}") == {key: value}
