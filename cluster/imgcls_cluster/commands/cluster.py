"""``imgcls cluster render``: a recipe -> the text of a manifest for a cluster that is yet to be."""

import json
import tomllib
from collections.abc import Iterator, Sequence
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints

import click

from imgcls.cli.arguments import WorkerRange, recipe_argument, set_option, workers_flag
from imgcls.errors import UserError
from imgcls_cluster.commands.cluster_wait import wait

if TYPE_CHECKING:
    from imgcls import Job
    from imgcls.plugins import Found
    from imgcls.recipe import Recipe

_CPUS = 4.0  # of a worker, where nobody says


@click.group(short_help="Write what starts a cluster for a run, and its image.")
def cluster() -> None:
    """Write what starts a cluster for a run: for Kubernetes, Slurm, clouds, Docker Compose."""


@cluster.command(short_help="Write a recipe's manifest for a kind of cluster.")
@click.argument("kind", metavar="KIND")
@recipe_argument
@set_option
@click.option("--workers", type=WorkerRange(), help="Processes that train; 4..16: as many as there is room for.")
@click.option(
    "--cpus-per-worker",
    type=click.FloatRange(0, min_open=True),
    help=f"CPUs of each worker. Default: the recipe's, else {_CPUS:g}.",
)
@click.option(
    "--gpus-per-worker", type=click.IntRange(0, 1), default=1, show_default=True, help="GPUs of each worker."
)
@click.option("--name", help="Name of the run's folder. Default: the recipe's name.")
@click.option(
    "--storage",
    default="runs",
    show_default=True,
    help="Folder of runs as the nodes see it; a relative one lies below what they share. Or an address, such as "
    "s3://bucket/runs.",
)
@click.option(
    "--option",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set an option of the kind, in TOML; `imgcls clusters show KIND` lists them. May be given again.",
)
def render(
    kind: str,
    recipe: str,
    overrides: tuple[str, ...],
    workers: tuple[int, int] | None,
    cpus_per_worker: float | None,
    gpus_per_worker: int,
    name: str | None,
    storage: str,
    settings: tuple[str, ...],
) -> None:
    """Write a manifest or script that starts a cluster of KIND and launches a recipe there, to standard output.

    The recipe is checked as a launch does it, and is in the text with every value written out. Nothing is started,
    and no secret is in the text: secrets are referred to by name. `imgcls clusters` lists the kinds.

    \b
    imgcls cluster render slurm RECIPE --workers 16 --option workers_per_node=8 > job.sh; sbatch job.sh
    imgcls cluster render kuberay RECIPE --workers 16 > job.yaml; kubectl apply -f job.yaml
    imgcls cluster render compose RECIPE --workers 2 --gpus-per-worker 0 > compose.yaml
    imgcls cluster render ray-up RECIPE --workers 16 --option provider=aws --option image=... > cluster.yaml
    """
    from imgcls.component import load
    from imgcls.plugins import UnknownComponent, installed

    try:
        found = installed().find("clusters", kind)
    except UnknownComponent as error:
        raise UserError(str(error)) from None
    options = options_of(found, settings)
    flags = [] if workers is None else [workers_flag(workers)]
    if cpus_per_worker is not None:
        flags.append((f"--cpus-per-worker {cpus_per_worker:g}", {"workers": {"cpus": cpus_per_worker}}))
    job = job_of(recipe, overrides, flags, name, storage, gpus_per_worker)
    click.echo(load(found.component.build)(options, job), nl=False)


def options_of(found: "Found", settings: Sequence[str]) -> Any:
    """Return the options of a kind of cluster.

    Args:
        found: the kind.
        settings: ``key=value`` texts, the value in TOML or a bare word.

    Raises:
        UserError: with all that is wrong with them.
    """
    from imgcls.recipe.tables import check_table

    hints = get_type_hints(found.component.options, include_extras=True)
    table: dict[str, Any] = {}
    problems = []
    for text in settings:
        key, separator, value = text.partition("=")
        if not separator or not key.strip():
            problems.append(f"--option {json.dumps(text)}: expected key=value, as in --option image=imgcls:0.1.0")
        elif key.strip() in table:
            problems.append(f"--option {key.strip()}: is given twice")
        else:
            table[key.strip()] = _value(value, hints.get(key.strip()))
    options, faults = check_table(table, found.component.options, found.component.defaults)
    problems += [f"--option {'.'.join(map(str, path))}: {text}" for path, text in faults]
    if problems:
        raise UserError("\n".join([*problems, f"`imgcls clusters show {found.name}` lists the options"]))
    return options


def _value(text: str, hint: Any) -> Any:
    """Return what a text means where a type is expected: 12:00:00 is a time to TOML, and a word to Slurm."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text.strip()  # a bare word: TOML would want quotes that a shell takes away
    kinds = set(_kinds(hint))
    return text.strip() if str in kinds and type(value) not in kinds else value


def _kinds(hint: Any) -> Iterator[Any]:
    """Yield the types that a value may have, without what is within lists."""
    if get_origin(hint) is Annotated:
        yield from _kinds(get_args(hint)[0])
    elif get_origin(hint) in (Union, UnionType):
        for each in get_args(hint):
            yield from _kinds(each)
    else:
        yield get_origin(hint) or hint


def job_of(
    recipe: str,
    overrides: Sequence[str],
    flags: Sequence[tuple[str, dict[str, Any]]],
    name: str | None,
    storage: str,
    gpus: int,
) -> "Job":
    """Return a recipe's job, checked as a launch checks it.

    Raises:
        UserError: the recipe has problems, nobody would train, or the run or its storage cannot have that name.
    """
    from dataclasses import replace

    from imgcls import Job
    from imgcls.cli.launch import folder_name
    from imgcls.plugins import installed
    from imgcls.recipe import find, read, to_toml
    from imgcls.storage.places import is_address

    found = read(find(recipe), installed(), overrides, flags)
    workers = found.workers
    if workers.count == 0:
        raise UserError("0 workers train without Ray, in the launch's own process; give --workers 1 or more")
    if not storage.isprintable() or not storage:
        raise UserError(f"--storage {json.dumps(storage)}: give a folder that every node of the cluster sees")
    if is_address(storage) and "@" in storage:
        raise UserError("--storage: an address with a password would be in the text; set it in the environment")
    named = folder_name(found.name if name is None else name)
    if not named.isprintable():
        raise UserError(f"--name {json.dumps(named)}: has letters that cannot be printed")
    # in the cluster the CPUs are those of this job, whatever the recipe was given
    cpus = workers.cpus or _CPUS
    whole = replace(found, workers=replace(workers, cpus=cpus))
    return Job(
        name=named,
        recipe=to_toml(whole),
        storage=storage,
        workers=workers.count,
        least=workers.least if workers.elastic else 0,
        cpus=cpus,
        gpus=gpus,
        packages=packages_of(found),
    )


def packages_of(recipe: "Recipe") -> tuple[str, ...]:
    """Return the packages that a recipe's components are from, imgcls first."""
    from imgcls import __version__

    single = (recipe.model, recipe.data, recipe.optimizer, recipe.schedule, recipe.loss)
    named = [*single, *recipe.augment, *recipe.track, *recipe.callback]
    origins = {each.found.origin for each in named} - {f"imgcls {__version__}"}
    return (f"imgcls {__version__}", *sorted(origins))


cluster.add_command(wait)


@cluster.command(short_help="Print the file that the nodes' image is built from.")
def image() -> None:
    """Print the Dockerfile of the image that kuberay, ray-up and compose start; it is built in a clone.

    \b
    imgcls cluster image | docker build -t imgcls:0.1.0 -f - .
    imgcls cluster image | docker build -t imgcls:0.1.0 --build-arg PACKAGES="boto3 imgcls-acme" -f - .
    """
    from importlib.resources import files

    click.echo(files("imgcls_cluster.render").joinpath("Dockerfile").read_text(encoding="utf-8"), nl=False)
