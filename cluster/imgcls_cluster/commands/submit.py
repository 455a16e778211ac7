"""``imgcls submit``: a launch as a job on a cluster."""

import sys
from typing import Any

import click

from imgcls.cli.arguments import WorkerRange, recipe_argument, set_option, workers_flag
from imgcls_cluster.commands.arguments import address_option


@click.command(short_help="Train on a cluster as a job.")
@recipe_argument
@set_option
@address_option
@click.option("--workers", type=WorkerRange(), help="Processes that train; 4..16: as many as there is room for.")
@click.option("--cpus-per-worker", type=click.FloatRange(0, min_open=True), help="CPUs of each worker.")
@click.option("--name", help="Name of the run's folder. Default: the recipe's name.")
@click.option(
    "--storage",
    required=True,
    envvar="IMGCLS_STORAGE",
    show_envvar=True,
    metavar="DIR_OR_URL",
    help="Folder of runs as every node of the cluster sees it: absolute, or an address.",
)
@click.option(
    "--include",
    multiple=True,
    metavar="PATH",
    help="A file or folder that travels too. Secrets do not, by their names. May be given again.",
)
@click.option("--detach", is_flag=True, help="Do not follow the job.")
@click.option("--plain", is_flag=True, help="Plain lines instead of a live view, also on a terminal.")
def submit(
    recipe: str,
    overrides: tuple[str, ...],
    address: str | None,
    workers: tuple[int, int] | None,
    cpus_per_worker: float | None,
    name: str | None,
    storage: str,
    include: tuple[str, ...],
    detach: bool,
    plain: bool,
) -> None:
    """Train on a cluster as a recipe says, as a job of Ray's, and follow it.

    The same command continues a run that was ended, and follows one that is running. What travels: the recipe in
    one file, the plugins it uses that are installed here from no index, and what --include names; nothing else.
    Ctrl-C leaves the job, which goes on.

    \b
    Exit codes: the launch's own, and
      0    with --detach: submitted
      2    something to mend first: the message says what
      75   run the same command again: ended by `imgcls stop`, with a checkpoint, or the cluster's head is gone
      130  left by Ctrl-C; the run goes on
    """
    from imgcls.cli.launch import folder_name
    from imgcls.plan import resolve_format
    from imgcls.plugins import installed
    from imgcls.recipe import find, read
    from imgcls_cluster.jobs.submission import Submission, storage_of

    flags: list[tuple[str, dict[str, Any]]] = [] if workers is None else [workers_flag(workers)]
    if cpus_per_worker is not None:
        flags.append((f"--cpus-per-worker {cpus_per_worker:g}", {"workers": {"cpus": cpus_per_worker}}))
    found = read(find(recipe), installed(), overrides, flags)
    resolve_format(found)
    if not found.workers.count:
        raise found.error(("workers", "count"), "0 trains without Ray; a job needs --workers 1 or more")
    asked = Submission(
        recipe=found,
        run=folder_name(found.name if name is None else name),
        storage=storage_of(storage),
        include=include,
        detach=detach,
        plain=plain,
    )
    sys.exit(asked.carry_out(address))
