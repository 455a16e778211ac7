"""``imgcls tune``: a search over a recipe's values, and what came of it."""

from pathlib import Path
from typing import Any

import click

from imgcls.cli.arguments import FolderPath, recipe_argument, set_option
from imgcls.cli.tune_show import show


class _Tune(click.Group):
    """A group whose first word is a recipe, unless it is the name of a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the name of the command that is meant."""
        return super().parse_args(ctx, args if args and args[0] in self.commands else ["run", *args])


class _Run(click.Command):
    """The command that need not be named."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage as it is typed."""
        assert ctx.parent is not None
        formatter.write_usage(ctx.parent.command_path, " ".join(self.collect_usage_pieces(ctx)))


@click.group(cls=_Tune, short_help="Search for better values of a recipe.")
def tune() -> None:
    """Search for better values of a recipe."""


tune.add_command(show)


@tune.command(cls=_Run, hidden=True)
@recipe_argument
@set_option
@click.option("--trials", type=click.IntRange(1), help="How many settings are tried.")
@click.option("--workers-per-trial", type=click.IntRange(1, 4096), help="Processes that train a trial.")
@click.option(
    "--max-concurrent", metavar="M|auto", default=None, help="Most trials at a time; auto: as many as fit."
)
@click.option(
    "--cpus-per-worker", type=click.FloatRange(0, min_open=True), help="CPUs of each worker, may be a fraction."
)
@click.option(
    "--address",
    metavar="HOST:PORT|auto",
    help="Join this running Ray cluster, of which this machine is a node. Default: Ray is started here.",
)
@click.option("--confirm", type=click.IntRange(1), metavar="SEEDS", help="Then train the best with so many seeds.")
@click.option("--best", type=click.IntRange(1), default=3, show_default=True, help="How many --confirm takes.")
@click.option("--name", help="Name of the search's folder. Default: the recipe's name.")
@click.option(
    "--storage",
    type=FolderPath(),
    default=Path("runs"),
    show_default=True,
    help="Folder of runs; every worker must see it.",
)
@click.option("--plain", is_flag=True, help="Plain lines instead of a live table, also on a terminal.")
def run(
    recipe: str,
    overrides: tuple[str, ...],
    trials: int | None,
    workers_per_trial: int | None,
    max_concurrent: str | None,
    cpus_per_worker: float | None,
    address: str | None,
    confirm: int | None,
    best: int,
    name: str | None,
    storage: Path,
    plain: bool,
) -> None:
    """Search as a recipe's [tune] says; the same command goes on with a search that was ended.

    Trials that have ended stay as they are, the others go on from their last checkpoints. RECIPE is a file, or
    the name of a shipped recipe. What was found is shown by `imgcls tune show RUN`.

    \b
    Exit codes:
      0    finished
      1    an error, or every trial failed
      2    something to mend first: the message says what
      75   ended by SIGTERM, with checkpoints: run the same command again
      130  ended by Ctrl-C, with checkpoints
    """
    from imgcls.cli.launch import folder_name
    from imgcls.cli.searching import Searching
    from imgcls.errors import UserError
    from imgcls.plugins import installed
    from imgcls.recipe import find, read
    from imgcls.tuning.study import Study

    given = {"trials": trials, "workers_per_trial": workers_per_trial}
    flags: list[tuple[str, dict[str, Any]]] = [
        (f"--{key.replace('_', '-')} {value}", {"tune": {key: value}})
        for key, value in given.items()
        if value is not None
    ]
    if max_concurrent is not None and max_concurrent != "auto":
        if not (max_concurrent.isascii() and max_concurrent.isdigit() and int(max_concurrent)):
            raise UserError(f"--max-concurrent {max_concurrent}: give a number above 0, or auto")
        flags.append((f"--max-concurrent {max_concurrent}", {"tune": {"max_concurrent": int(max_concurrent)}}))
    if cpus_per_worker is not None:
        flags.append((f"--cpus-per-worker {cpus_per_worker:g}", {"workers": {"cpus": cpus_per_worker}}))
    found = read(find(recipe), installed(), overrides, flags, search=True)
    if found.tune is None or not found.space:
        raise UserError(
            f'{find(recipe)}: has no [tune.space] to search; write one, such as "optimizer.lr" = '
            "{ log_uniform = [0.01, 1.0] }"
        )
    study = Study(storage / folder_name(found.name if name is None else name))
    most = None if max_concurrent == "auto" else found.tune.max_concurrent
    Searching(found, study, plain, address, most).run(confirm, best)
