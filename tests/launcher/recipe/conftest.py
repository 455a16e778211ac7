from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest

from imgcls.plugins import Plugins
from imgcls.recipe import Recipe, RecipeError, read

MINIMAL = """\
model = "lenet5"
data = "digits"

[optimizer]
name = "sgd"
lr = 0.1

[train]
epochs = 2
batch_size = 64
"""


@pytest.fixture
def minimal() -> str:
    """A recipe that says only what must be said."""
    return MINIMAL


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    """The built-in plugins, whatever else is installed."""
    return Plugins(distribution("imgcls").entry_points.select(group="imgcls"))


@pytest.fixture
def read_text(write_recipe: Callable[..., Path], plugins: Plugins) -> Callable[..., Recipe]:
    def read_it(text: str, *overrides: str, name: str = "x.toml") -> Recipe:
        return read(write_recipe(text, name), plugins, overrides)

    return read_it


@pytest.fixture
def problems(read_text: Callable[..., Recipe], tmp_path: Path) -> Callable[..., list[str]]:
    """The lines that a bad recipe is answered with, its folder taken out."""

    def lines(text: str, *overrides: str) -> list[str]:
        with pytest.raises(RecipeError) as caught:
            read_text(text, *overrides)
        *found, last = str(caught.value).replace(f"{tmp_path}/", "").split("\n")
        count = len(caught.value.problems)
        assert last == f"{count} problem{'s' if count > 1 else ''}; nothing was started."
        return found

    return lines
