"""``imgcls average``: the mean of a run's last checkpoints, as a checkpoint of its own."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imgcls.cli.arguments import RunPath

if TYPE_CHECKING:
    from imgcls.run_folder import RunFolder
    from imgcls.train.averaged import Chosen
    from imgcls.train.weights import Tensors


@click.command(short_help="Average the weights of a run's last checkpoints.")
@click.argument("run", type=RunPath())
@click.option(
    "--last",
    type=click.IntRange(2),
    help="How many of the newest checkpoints. Default: all that the run keeps of them (checkpoint.keep).",
)
@click.option("--steps", metavar="STEP,STEP,...", help="The checkpoints of these steps instead of the newest.")
@click.option(
    "--statistics",
    type=click.Choice(["measure", "mean"]),
    default="measure",
    show_default=True,
    help="Batch norm's: measured in one pass over the training images, or averaged too, which needs none.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The folder that is written. Default: RUN/averaged.")
@click.option("--force", is_flag=True, help="Overwrite an average that is there.")
def average(
    run: Path, last: int | None, steps: str | None, statistics: str, out: Path | None, force: bool
) -> None:
    """Average the weights of a run's last checkpoints, and evaluate the result.

    Of runs with train.ema the moving averages are averaged. What is written is a checkpoint's folder for
    evaluate, predict, export and a recipe's weights. See also train.ema, which averages while it trains.
    """
    import os

    from imgcls.errors import UserError
    from imgcls.quiet import libraries_quiet
    from imgcls.run_folder import RunFolder
    from imgcls.storage.reading import is_copy

    if last is not None and steps is not None:
        raise UserError("--last takes the newest checkpoints, --steps names them; give one of them")
    if out is None and is_copy(run):
        raise UserError("RUN is an address, where nothing is written; give the folder of the average by --out")
    folder = out or run / "averaged"
    _refuse(folder, force)
    with libraries_quiet(Path(os.devnull)):
        from imgcls.train.environment import prepare_environment

        prepare_environment()
        from imgcls.train.averaged import choose

        chosen = choose(RunFolder(run), last, None if steps is None else _numbers(steps))
        _say_chosen(chosen)
        tensors = _averaged(RunFolder(run), chosen, statistics)
        _write(folder, tensors, chosen, statistics)
        _say_score(folder, chosen)


def _refuse(folder: Path, force: bool) -> None:
    """Raise a UserError where the folder cannot be written, or is there and not to be replaced."""
    from imgcls.errors import UserError

    if not folder.exists():
        if not folder.absolute().parent.is_dir():
            raise UserError(f"{folder}: there is no folder {folder.absolute().parent}")
        return
    # whatever else is there would be gone: --force does not mean that
    if not (folder / "averaged.json").is_file():
        raise UserError(f"--out {folder}: is there, and is no average of checkpoints; give another name")
    if not force:
        raise UserError(f"{folder}: is there already and was left as it is; give --out, or --force")


def _numbers(steps: str) -> list[int]:
    from imgcls.errors import UserError

    numbers = [number.strip() for number in steps.split(",")]
    if not all(number.isdecimal() for number in numbers):
        raise UserError(f"--steps {steps}: expected numbers of steps, as in --steps 900,950,1000")
    return [int(number) for number in numbers]


def _say_chosen(chosen: "Chosen") -> None:
    steps = ", ".join(f"{step:,}" for step in chosen.steps)
    of = " (moving averages)" if chosen.files[-1].name == "ema.safetensors" else ""
    click.echo(f"averaging {len(chosen.steps)} checkpoints{of}: steps {steps}")


def _averaged(run: "RunFolder", chosen: "Chosen", statistics: str) -> "Tensors":
    """Return the averaged tensors, batch norm's statistics measured anew if so wished."""
    from rich.console import Console

    from imgcls.report.counting import Counting
    from imgcls.train.averaged import mean, restated

    tensors = mean(chosen.files)
    if statistics == "mean":
        return tensors
    with Counting(Console(stderr=True)) as counting:
        counting.begin("measuring batch norm's statistics")
        measured = restated(tensors, chosen.plan, run.index_cache, counting)
    if measured is None:
        return tensors
    click.echo(f"batch norm: statistics of one pass over {chosen.plan.data.train.samples:,} training images")
    return measured


def _write(folder: Path, tensors: "Tensors", chosen: "Chosen", statistics: str) -> None:
    from imgcls.errors import UserError
    from imgcls.train.averaged import write

    try:
        write(folder, tensors, chosen, statistics)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    click.echo(f"written: {folder}")


def _say_score(folder: Path, chosen: "Chosen") -> None:
    """Print the average's top-1 beside those of the run."""
    from imgcls.cli.evaluate import assessed
    from imgcls.errors import UserError

    try:
        found: dict[str, Any] = assessed(folder, None, (), "validation", None)
    except UserError as error:  # it is written, whatever became of the images
        click.echo(f"not evaluated: {error}")
        return
    state = chosen.state
    click.echo(f"top-1 {found['top1']:.2f} % of {found['n']:,} {found['data']}")
    if "top1" in state.metrics:
        last, best = state.metrics["top1"], state.best_top1
        click.echo(f"the run's: {last:.2f} % last, {best:.2f} % best (step {state.best_step:,})")
