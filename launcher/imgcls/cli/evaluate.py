"""``imgcls evaluate``: how good a trained model is, class by class."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imgcls.cli.arguments import RunPath, set_option

if TYPE_CHECKING:
    from imgcls.data.division import Division
    from imgcls.data.index import Progress
    from imgcls.data.of_run import Chosen
    from imgcls.plan import Plan
    from imgcls.run_folder import RunFolder
    from imgcls.train.answers import Answering


@click.command(short_help="Evaluate a trained model, class by class.")
@click.argument("run_or_checkpoint", type=RunPath())
@click.option("--data", metavar="ROOT", help="Another folder of class folders to evaluate on.")
@set_option
@click.option(
    "--split",
    type=click.Choice(["validation", "train"]),
    default="validation",
    show_default=True,
    help="Of the data; train is given the evaluation's pictures, too.",
)
@click.option(
    "--json", "as_json", metavar="FILE", help="Write everything as JSON; - prints it instead of the table."
)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@click.option(
    "--batch-size", type=click.IntRange(1), help="Of a forward pass. Default: that of the run's evaluations."
)
@click.option("--all-classes", is_flag=True, help="List every class, not the worst ten.")
def evaluate(
    run_or_checkpoint: Path,
    data: str | None,
    overrides: tuple[str, ...],
    split: str,
    as_json: str | None,
    force: bool,
    batch_size: int | None,
    all_classes: bool,
) -> None:
    """Evaluate the model of a run's folder (its best checkpoint) or of a checkpoint's folder.

    On the run's own validation images, on another folder (--data), or on the data of the run's recipe with other
    values (--set data.root=DIR). Counts are over exactly the images there are; shares are in percent.
    """
    import json
    import os

    from imgcls.errors import UserError
    from imgcls.quiet import libraries_quiet
    from imgcls.report.assessment import lines
    from imgcls.run_folder import write_whole

    _refuse(data, overrides, as_json, force)
    with libraries_quiet(Path(os.devnull)):
        found = assessed(run_or_checkpoint, data, overrides, split, batch_size)
    text = json.dumps(found) + "\n"
    if as_json == "-":
        click.echo(text, nl=False)
        return
    if as_json is not None:
        try:
            write_whole(Path(as_json), text)
        except OSError as error:
            raise UserError(f"--json {as_json}: cannot be written: {error.strerror}") from None
    for line in lines(found, all_classes):
        click.echo(line)


def _refuse(data: str | None, overrides: tuple[str, ...], as_json: str | None, force: bool) -> None:
    """Raise a UserError for what cannot be done, before anything is."""
    from imgcls.cli.outputs import refuse
    from imgcls.errors import UserError

    if data is not None and overrides:
        raise UserError("--data names a folder of its own, --set changes the run's data; give one of them")
    for override in overrides:
        key = override.partition("=")[0].strip()
        if key != "data" and not key.startswith("data."):
            raise UserError(f"--set {override}: only the data can be another, as in --set data.root=DIR")
    if data is not None and "://" not in data and not Path(data).expanduser().is_dir():
        raise UserError(f"--data {data}: there is no such folder; name a folder of class folders")
    if as_json is not None and as_json != "-":
        refuse("--json", Path(as_json), force)


def assessed(
    path: Path, data: str | None, overrides: tuple[str, ...], split: str, batch_size: int | None
) -> dict[str, Any]:
    """Return everything that was found, and on what."""
    from rich.console import Console

    from imgcls.report.counting import Counting
    from imgcls.train.environment import prepare_environment

    prepare_environment()
    from imgcls.train.answers import Answering
    from imgcls.train.assess import assess

    answering = Answering.load(path, batch_size)
    plan, run = answering.served.plan, _run_of(answering.served.file)
    left_out: dict[str, str] = {}
    with Counting(Console(stderr=True)) as counting:
        counting.begin("reading image headers")
        with _cache(run) as cache:
            chosen = _chosen(plan, run, data, overrides, split, cache, counting)
        left_out.update(chosen.index.left_out)
        for note in chosen.notes:
            click.echo(f"note: {note}", err=True)
        counting.begin("evaluating")
        lost = left_out.__setitem__ if chosen.skip else None
        found = assess(answering, chosen.index, lost, counting)
    for image, reason in left_out.items():
        click.echo(f"left out: {image}: {reason}", err=True)
    return {**_about(answering, chosen), **found.to_dict(), "left_out": _listed(left_out)}


def _about(answering: "Answering", chosen: "Chosen") -> dict[str, Any]:
    served = answering.served
    return {
        "model": served.plan.model.name,
        "weights": str(served.file),
        "data": chosen.about,
        "notes": list(chosen.notes),
        "device": str(answering.device),
        "precision": served.plan.train.precision,
        "batch_size": answering.batch_size,
        "flip": served.plan.train.eval_flip,
    }


def _listed(left_out: dict[str, str]) -> list[dict[str, str]]:
    return [{"path": path, "reason": reason} for path, reason in left_out.items()]


def _run_of(file: Path) -> "RunFolder | None":
    """Return the run that a file of a checkpoint belongs to; None for a checkpoint that lies elsewhere."""
    from imgcls.run_folder import RunFolder

    folder = file.absolute().parent.parent
    if folder.name == "checkpoints":
        return RunFolder(folder.parent)
    above = RunFolder(folder)  # of an average of checkpoints
    return above if above.recipe.is_file() and above.checkpoints.is_dir() else None


@contextmanager
def _cache(run: "RunFolder | None") -> Iterator[Path]:
    """Give the run's folder of indexes; a folder for now where there is none, or none that can be written."""
    import os
    from tempfile import TemporaryDirectory

    if run is not None and run.index_cache.is_dir() and os.access(run.index_cache, os.W_OK):
        yield run.index_cache
        return
    with TemporaryDirectory(prefix="imgcls-") as folder:
        yield Path(folder)


def _chosen(
    plan: "Plan",
    run: "RunFolder | None",
    data: str | None,
    overrides: tuple[str, ...],
    split: str,
    cache: Path,
    progress: "Progress",
) -> "Chosen":
    """Return the images to evaluate on: by --data, by --set, or the run's."""
    from imgcls.component import load
    from imgcls.data import of_run
    from imgcls.errors import UserError
    from imgcls.plugins import installed
    from imgcls.recipe import read

    if data is not None:
        component = installed().find("datasets", "image_folder").component
        options, build = component.options(root=data), load(component.build)
        return of_run.of_folder(lambda name: build(options, split=name), data, plan, split, cache, progress)
    written = None if run is None or not run.recipe.is_file() else run.recipe
    if not overrides:
        return of_run.of_plan(plan, split, _division(written), cache, progress)
    if written is None:
        raise UserError(
            "--set changes the run's recipe.toml, and there is none above this checkpoint; give --data"
        )
    return of_run.of_recipe(read(written, installed(), overrides), plan, split, cache, progress)


def _division(recipe: Path | None) -> "Division | None":
    """Return how the run's training set was divided."""
    import tomllib

    from imgcls.data.division import Division
    from imgcls.errors import UserError

    if recipe is None:
        return None
    try:
        tree = tomllib.loads(recipe.read_text(encoding="utf-8"))
        data = tree["data"]
        seed = int(data.get("split_seed", tree["seed"]))
        # recipes of runs before there were holdouts and fractions have no word of them
        holdout, fraction = float(data.get("holdout", 0.0)), float(data.get("fraction", 1.0))
        return Division(seed, float(data["validation"]), holdout or None, fraction)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{recipe}: cannot be read as the recipe of a run: {error}") from None
