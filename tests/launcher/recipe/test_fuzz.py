"""Whatever a recipe's text is: a recipe, or a message that names the file (design.md, P5)."""

from importlib.metadata import distribution

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgcls.errors import UserError
from imgcls.plugins import Plugins
from imgcls.recipe import read, shipped, to_toml

VALID = """\
about = "x"
seed = 1
model = { name = "resnet18", dropout = 0.1 }
data = { name = "image_folder", root = "images", validation = 0.2 }

[optimizer]
name = "sgd"
lr = 0.1

[schedule]
name = "step"
milestones = [1, 2.5]

[[augment]]
name = "random_resized_crop"
scale = [0.1, 1.0]

[[augment]]
name = "horizontal_flip"

[[track]]
name = "csv"

[input]
size = 64
mean = [0.5]
interpolation = "bicubic"

[train]
epochs = 2
batch_size = 64
deterministic = false

[checkpoint]
every_steps = 500

[loading]
threads = 1
decode = "cpu"

[workers]
count = 2
cpus = 0.5

[expect]
top1 = 98.0
source = "here"
"""
TEXTS = [VALID, *(path.read_text(encoding="utf-8") for path in shipped().values())]
PLUGINS = Plugins(distribution("imgcls").entry_points.select(group="imgcls"))
PIECES = [
    "=", ".", ",", '"', "'", '"""', "[", "]", "[[", "{", "}", "#", "\n", "\r\n", "\u2028", "\ufeff", "-", "_", "1",
    "e", "inf", "nan", "true", "[augment]", "[model]", "extends = ", "name", "x = ", "\\", "\0",
]  # fmt: skip
VALUES = [
    "1", "-1", "0", "0.5", "1e400", "inf", "nan", "true", '"x"', '""', "[]", "[1]", '["x"]', "{}", "{ name = 1 }",
    "[[]]", "[{}]", "2024-01-31", "10:00:00", "2024-01-31T10:00:00", "99999999999999999999", '"cosine"', '"."',
    '"x.toml"', '{ name = "sgd" }', '[{ name = "csv" }, 1]', '"\\u0000"',
]  # fmt: skip


@st.composite
def garbled(draw):
    """A valid recipe of which some characters are lost, doubled or others."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        change = draw(st.sampled_from(["delete", "double", "insert"]))
        if change == "delete":
            text = text[:start] + text[end:]
        elif change == "double":
            text = text[:end] + text[start:end] + text[end:]
        else:
            text = text[:start] + draw(st.sampled_from(PIECES) | st.characters(codec="utf-8")) + text[start:]
    return text


@st.composite
def retyped(draw):
    """A recipe that is still TOML: of some lines the value, or the key, is another's."""
    lines = draw(st.sampled_from(TEXTS)).splitlines()
    settable = [i for i, line in enumerate(lines) if " = " in line]
    for i in draw(st.lists(st.sampled_from(settable), min_size=1, max_size=4, unique=True)):
        key, _, _ = lines[i].partition(" = ")
        if draw(st.integers(0, 5)) == 0:
            key = draw(st.sampled_from(["extends", "name", "augment", "train", "lr", '""', '"a b"', "x.y"]))
        lines[i] = f"{key} = {draw(st.sampled_from(VALUES))}"
    return "\n".join(lines) + "\n"


@st.composite
def overrides(draw):
    keys = ["seed", "model", "model.name", "train", "train.epochs", "augment", "augment.0", "augment.0.scale", "x",
            "augment.horizontal_flip.probability", "track", "track.csv.prefix", "callback.0.x", "workers.count.x",
            '"²"', 'augment."²".x', "expect", "extends", "", ".", "#", "[a]", "a b", "data.root", "input.mean"]  # fmt: skip
    key = draw(st.sampled_from(keys) | st.text(max_size=4))
    return f"{key}{draw(st.sampled_from(['=', '=', '=', ' = ', '']))}{draw(st.sampled_from(VALUES) | st.text(max_size=4))}"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "x.toml"


def assert_read_or_named(path, text, *sets):
    path.write_text(text, encoding="utf-8", newline="")
    try:
        recipe = read(path, PLUGINS, sets)
    except UserError as error:
        message = str(error)
        named = [str(path), *("".join(c if c.isprintable() else " " for c in f"--set {one}") for one in sets)]
        assert any(name in message for name in named)
    else:
        to_toml(read(path, PLUGINS, sets))
        assert recipe.path == path


QUICK = settings(deadline=None, max_examples=60, database=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(text=garbled())
def test_a_garbled_recipe_is_read_or_named(path, text):
    assert_read_or_named(path, text)


@QUICK
@given(text=retyped())
def test_a_recipe_with_values_of_other_types_is_read_or_named(path, text):
    assert_read_or_named(path, text)


@QUICK
@given(sets=st.lists(overrides(), min_size=1, max_size=3))
def test_any_override_is_taken_or_named(path, sets):
    assert_read_or_named(path, VALID, *sets)
