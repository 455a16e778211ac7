"""``imgcls launch``: recipe -> plan -> workers -> result."""

from typing import Any

import click

from imgcls.cli.arguments import WorkerRange, recipe_argument, set_option, workers_flag


@click.command(short_help="Train as a recipe says, or continue.")
@recipe_argument
@set_option
@click.option(
    "--workers",
    type=WorkerRange(),
    help="Processes that train; 0: in this one, without Ray; 4..16: as many as there is room for at any time.",
)
@click.option(
    "--address",
    metavar="HOST:PORT|auto",
    help="Join this running Ray cluster, of which this machine is a node; auto: the one here. All nodes must see "
    "the data and --storage, where these are no addresses, and have imgcls. Default: Ray is started here, for "
    "this run alone.",
)
@click.option(
    "--cpus-per-worker",
    type=click.FloatRange(0, min_open=True),
    help="CPUs of each worker, may be a fraction. Default: an equal share.",
)
@click.option("--name", help="Name of the run's folder. Default: the recipe's name.")
@click.option(
    "--storage",
    metavar="DIR|ADDRESS",
    default="runs",
    show_default=True,
    help="Folder of runs, which every worker must see; or an address that all can reach, such as s3://bucket/runs.",
)
@click.option("--plain", is_flag=True, help="Plain lines instead of a live view, also on a terminal.")
@click.option("--timings", is_flag=True, help="Print where the time up to the first step went.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Events, one JSON object a line, in the place of a view; what a view would say is of the kind 'line'.",
)
def launch(
    recipe: str,
    overrides: tuple[str, ...],
    workers: tuple[int, int] | None,
    address: str | None,
    cpus_per_worker: float | None,
    name: str | None,
    storage: str,
    plain: bool,
    timings: bool,
    as_json: bool,
) -> None:
    """Train as a recipe says; the same command continues a run that was ended.

    RECIPE is a file, or the name of a shipped recipe.

    \b
    Exit codes:
      0    finished
      1    an error, a hang, or workers that died too often
      2    something to mend first: the message says what
      75   ended by SIGTERM, with a checkpoint: run the same command again
      130  ended by Ctrl-C, with a checkpoint
    """
    from imgcls.cli.launching import Launch
    from imgcls.plugins import installed
    from imgcls.recipe import find, read
    from imgcls.storage.places import run_folder

    if as_json and timings:
        raise click.UsageError(
            "--timings is a table for people; --json has the same in its events of the kind 'phase'"
        )
    flags = _flags(workers, cpus_per_worker)
    found = read(find(recipe), installed(), overrides, flags)
    folder = run_folder(storage, folder_name(found.name if name is None else name))
    Launch(found, folder, plain, timings, address, as_json).run()


def _flags(workers: tuple[int, int] | None, cpus: float | None) -> list[tuple[str, dict[str, Any]]]:
    flags: list[tuple[str, dict[str, Any]]] = []
    if workers is not None:
        flags.append(workers_flag(workers))
    if cpus is not None:
        flags.append((f"--cpus-per-worker {cpus:g}", {"workers": {"cpus": cpus}}))
    return flags


def folder_name(name: str) -> str:
    """Return the name of a run's folder.

    Raises:
        UserError: no folder in the storage can have it.
    """
    from imgcls.errors import UserError

    if name in ("", ".", "..") or "/" in name or name.startswith("."):
        raise UserError(
            f"--name '{name}' cannot be the name of a folder in the storage; use letters, digits, - and _"
        )
    return name
