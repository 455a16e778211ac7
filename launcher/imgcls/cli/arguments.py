"""Arguments that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def recipe_argument(command: F) -> F:
    """RECIPE: a file, or the name of a shipped recipe."""
    return click.argument("recipe", metavar="RECIPE")(command)


def set_option(command: F) -> F:
    """--set KEY=VALUE, any number of times."""
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Lay a value over the recipe's, in TOML: --set optimizer.lr=0.4. May be given again.",
    )(command)


def storage_option(command: F) -> F:
    """--storage DIR: where the data's index is kept, as a launch keeps it."""
    return click.option(
        "--storage",
        type=click.Path(path_type=Path),
        default=Path("runs"),
        show_default=True,
        help="Folder of runs; the data's index is kept there.",
    )(command)
