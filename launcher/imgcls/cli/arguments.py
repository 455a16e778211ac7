"""Arguments that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
_MOST_WORKERS = 4096


class WorkerRange(click.ParamType):  # type: ignore[type-arg]  # a generic of click 8.5, not of 8.2
    """A number of workers, ``8``, or a range of them, ``4..16``, as (least, count); least is 0 for a number."""

    name = "N or LEAST..MOST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return (least, count)."""
        if isinstance(value, tuple):
            return value
        first, dots, second = str(value).partition("..")
        numbers = [first, second] if dots else [first]
        if not all(number.isascii() and number.isdigit() for number in numbers):
            self.fail(f"'{value}' is neither a number, such as 8, nor a range, such as 4..16", param, ctx)
        least, most = int(numbers[0]), int(numbers[-1])
        if max(least, most) > _MOST_WORKERS:
            self.fail(f"{value}: {_MOST_WORKERS} workers at most", param, ctx)
        if not dots:
            return 0, most
        if least == 0:
            self.fail(f"{value}: one worker at least must train; write 1..{max(1, most)}", param, ctx)
        if least > most:
            self.fail(f"{value}: the first number is the larger one; write {most or 1}..{least}", param, ctx)
        return least, most


class RunPath(click.Path):
    """A run's folder, or a checkpoint's; or the address of one, which is then brought to this host."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a folder of this host."""
        from imgcls.storage.places import is_address

        if not is_address(str(value)):
            return super().convert(value, param, ctx)
        from imgcls.storage.reading import brought_down

        return brought_down(str(value))


class FolderPath(click.Path):
    """A folder on file systems that all processes see: no address."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the folder."""
        from imgcls.storage.places import is_address

        if is_address(str(value)):
            self.fail(f"{value}: this command needs a folder here; only launch takes an address", param, ctx)
        return super().convert(value, param, ctx)


def workers_flag(workers: tuple[int, int]) -> tuple[str, dict[str, Any]]:
    """Return what ``--workers`` lays over a recipe: the option's text, and the table."""
    least, count = workers
    text = f"{least}..{count}" if least else str(count)
    return f"--workers {text}", {"workers": {"count": count, "least": least if least < count else 0}}


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
        type=FolderPath(),
        default=Path("runs"),
        show_default=True,
        help="Folder of runs; the data's index is kept there.",
    )(command)
