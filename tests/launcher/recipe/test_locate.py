import tomllib

import pytest

from imgcls.recipe.locate import key_lines

TEXT = '''\
# a comment

seed = 1
train.epochs = 3
train.batch_size = 4
model = { name = "lenet5", activation = "relu" }

[optimizer]
name = "sgd"

# before a key
lr = 0.1

[[augment]]
name = "random_crop"
padding = 2

[[augment]]
name = "horizontal_flip"

[input]
mean = [
    0.1,  # red
    0.2,
]
about = """
first
lr = 7
"""
std = [0.3]
'''
EXPECTED = {
    ("seed",): 3,
    ("train",): 4,
    ("train", "epochs"): 4,
    ("train", "batch_size"): 5,
    ("model",): 6,
    ("model", "name"): 6,
    ("model", "activation"): 6,
    ("optimizer",): 8,
    ("optimizer", "name"): 9,
    ("optimizer", "lr"): 12,
    ("augment",): 14,
    ("augment", 0): 14,
    ("augment", 0, "name"): 15,
    ("augment", 0, "padding"): 16,
    ("augment", 1): 18,
    ("augment", 1, "name"): 19,
    ("input",): 21,
    ("input", "mean"): 22,
    ("input", "mean", 1): 22,
    ("input", "about"): 26,
    ("input", "std"): 30,
}


@pytest.mark.parametrize("path", EXPECTED)
def test_a_key_is_found_on_the_line_where_its_statement_begins(path):
    assert key_lines(TEXT)[path] == EXPECTED[path]


def test_every_key_has_a_line():
    def paths(value, path=()):
        yield path
        if isinstance(value, dict | list):
            for key, child in value.items() if isinstance(value, dict) else enumerate(value):
                yield from paths(child, (*path, key))

    assert key_lines(TEXT).keys() == set(paths(tomllib.loads(TEXT)))


def test_windows_line_ends_change_no_line():
    assert key_lines(TEXT.replace("\n", "\r\n")) == key_lines(TEXT)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_other_line_separators_within_strings_end_no_line(separator):
    text = f'a = "x{separator}y"\nb = 2\n'
    assert key_lines(text)[("b",)] == 2


def test_a_statement_over_several_lines_of_an_array_of_inline_tables_is_found_at_its_begin():
    text = 'a = 1\naugment = [\n  { name = "x" },\n\n  { name = "y" },\n]\nb = 2\n'
    lines = key_lines(text)
    assert lines[("augment", 1, "name")] == 2
    assert lines[("b",)] == 7


def test_a_file_without_a_last_line_end_is_read_to_its_end():
    assert key_lines("a = 1\nb = 2")[("b",)] == 2


def test_a_literal_multi_line_string_that_looks_like_keys_opens_none():
    text = "a = '''\n[b]\nc = 1\n'''\nd = 2\n"
    assert key_lines(text) == {(): 1, ("a",): 1, ("d",): 5}
