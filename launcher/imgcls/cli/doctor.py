"""``imgcls doctor``: what a run needs of this machine, or of every node of a cluster."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from imgcls.cli.arguments import WorkerRange, set_option, workers_flag

if TYPE_CHECKING:
    from imgcls.doctor.findings import Finding
    from imgcls.doctor.subject import Subject
    from imgcls.recipe import Recipe

_COLOURS = {"ok": None, "warning": "yellow", "error": "red"}


@click.command(short_help="Look whether this machine, or a cluster, is ready for a run.")
@click.argument("recipe", metavar="[RECIPE]", required=False)
@set_option
@click.option(
    "--workers", type=WorkerRange(), help="Processes that train, for their memory. Default: the recipe's."
)
@click.option(
    "--address",
    metavar="HOST:PORT|auto",
    help="Look at every node of this running Ray cluster, of which this machine is one; auto: the one here.",
)
@click.option(
    "--storage",
    default="runs",
    show_default=True,
    metavar="DIR_OR_URL",
    help="Folder of runs, or its address, such as s3://bucket/runs; every node must reach it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of {check, node, status, detail, mend}.")
def doctor(
    recipe: str | None,
    overrides: tuple[str, ...],
    workers: tuple[int, int] | None,
    address: str | None,
    storage: str,
    as_json: bool,
) -> None:
    """Look whether this machine, or every node of a cluster, is ready for a run.

    Versions and code of imgcls, its plugins, torch, Ray and DALI; memory, /dev/shm, open files, GPUs; the storage;
    with RECIPE its data. Of a cluster also that all nodes have the same, see the same storage and data, reach each
    other, sum tensors within 20 s, and agree about the time. What is wrong is shown with what mends it.

    \b
    Exit codes:
      0    a run can start; there may be warnings
      1    a run would fail or be wrong: errors are listed
      2    nothing could be looked at: a faulty recipe, no cluster at the address
    """
    from imgcls.doctor.findings import failed, lines, to_json

    if recipe is None and overrides:
        raise click.UsageError("--set lays values over a recipe: give one")
    read = None if recipe is None else _recipe(recipe, overrides, workers)
    count = read.workers.fewest if read is not None else max(workers or (1,))
    found = _here(read, storage, count) if address is None else _there(read, storage, count, address)
    if as_json:
        click.echo(to_json(found))
    else:
        for status, line in lines(found):
            click.secho(line, fg=_COLOURS[status])
        click.echo(_summary(found))
    sys.exit(1 if failed(found) else 0)


def _here(recipe: "Recipe | None", storage: str, workers: int) -> "list[Finding]":
    from imgcls.doctor.facts import gather
    from imgcls.doctor.judge import Node, judged
    from imgcls.doctor.judge_network import judged_token
    from imgcls.doctor.subject import stray_address
    from imgcls.on_ray.address import reachable

    with _looked_for(recipe, storage) as what:
        facts = gather(what.request, what.here)
    node = Node(what.here, facts, workers, own=True)
    found = [*stray_address(what.here, reachable), *what.findings, *judged(facts, [node], what.request.splits)]
    return [*found, *judged_token(what.here, facts)]


def _there(recipe: "Recipe | None", storage: str, workers: int, address: str) -> "list[Finding]":
    from imgcls.on_ray.address import reachable
    from imgcls.on_ray.examine_cluster import examined_at

    address = reachable(address)
    cpus = recipe.workers.cpus if recipe is not None and recipe.workers.cpus else 1.0
    with _looked_for(recipe, storage) as what:
        click.echo(f"looking at the cluster at {address}, for a minute at most", err=True)
        return [*what.findings, *examined_at(address, what.request, workers, cpus)]


@contextmanager
def _looked_for(recipe: "Recipe | None", storage: str) -> "Iterator[Subject]":
    from rich.console import Console

    from imgcls.doctor.subject import subject
    from imgcls.report.counting import Counting

    with ExitStack() as ending:
        with Counting(Console(stderr=True)) as counting:
            counting.begin("reading image headers")
            what = subject(recipe, storage, counting, ending)
        yield what


def _recipe(recipe: str, overrides: tuple[str, ...], workers: tuple[int, int] | None) -> "Recipe":
    from imgcls.plugins import installed
    from imgcls.recipe import find, read

    flags = [] if workers is None else [workers_flag(workers)]
    return read(find(recipe), installed(), overrides, flags)


def _summary(found: "list[Finding]") -> str:
    errors, warnings = (sum(each.status == status for each in found) for status in ("error", "warning"))
    if not errors and not warnings:
        return "all is well"
    counted = [f"{n} {what}{'s' if n > 1 else ''}" for n, what in ((errors, "error"), (warnings, "warning")) if n]
    return f"{' and '.join(counted)}; a run {'would fail or be wrong' if errors else 'can start'}"
