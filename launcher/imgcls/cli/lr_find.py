"""``imgcls lr-find``: a learning rate to begin with, by raising it until training breaks."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from imgcls.cli.arguments import recipe_argument, set_option, storage_option

if TYPE_CHECKING:
    from imgcls.plan import Plan
    from imgcls.report.rate_plot import Mark
    from imgcls.train.lr_find import Curve

_ROWS = 12  # of the table, about
_FEWEST = 10  # steps


@click.command("lr-find", short_help="Find a learning rate by a range test, with a plot.")
@recipe_argument
@set_option
@storage_option
@click.option("--steps", type=click.IntRange(_FEWEST), default=100, show_default=True, help="Updates, at most.")
@click.option(
    "--from",
    "first",
    type=click.FloatRange(0, min_open=True),
    default=1e-7,
    show_default=True,
    help="optimizer.lr at the first update.",
)
@click.option(
    "--to",
    "last",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="optimizer.lr at the last one.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("lr.png"),
    show_default=True,
    help="The PNG that is written; a CSV of the same name goes beside it.",
)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def lr_find(
    recipe: str,
    overrides: tuple[str, ...],
    storage: Path,
    steps: int,
    first: float,
    last: float,
    out: Path,
    force: bool,
) -> None:
    """Train with a rising learning rate until the loss is four times its least, and suggest a rate.

    In this process, on the recipe's own data, model, optimizer and loss; no run is left behind. The method is that
    of Smith, 2015, arXiv:1506.01186. What it suggests is where to begin, not the best rate: that takes runs.
    """
    _check(first, last, out, force)
    plan = _planned(recipe, overrides, storage)
    curve = _found(plan, steps, first, last)
    for line in _report(plan, curve):
        click.echo(line)
    _write(plan, curve, out, force)
    click.echo(f"{out}, {out.with_suffix('.csv')}")


def _check(first: float, last: float, out: Path, force: bool) -> None:
    from imgcls.cli.outputs import refuse
    from imgcls.errors import UserError

    if not first < last < float("inf"):
        raise UserError(f"--from {first:g} --to {last:g}: the rate rises, so --from must be the lower of the two")
    if out.suffix.lower() != ".png":
        raise UserError(f"--out {out}: what is written is a PNG; give it a name that ends in .png")
    for file in (out, out.with_suffix(".csv")):
        refuse("--out", file, force)


def _planned(recipe: str, overrides: tuple[str, ...], storage: Path) -> "Plan":
    """Return the recipe's plan, with the weights that its model starts from, and its teacher."""
    from dataclasses import replace

    from imgcls.cli.preparation import planned
    from imgcls.distillation import resolve
    from imgcls.plugins import installed
    from imgcls.recipe import find, read
    from imgcls.weights import locate

    plan = planned(recipe, overrides, storage)
    found = read(find(recipe), installed(), overrides)
    plan, start = replace(plan, distill=resolve(found, plan.data.classes)), found.weights
    if start.source is None or plan.weights is not None:
        return plan
    return replace(plan, weights=locate(start.source, start.sha256 or "", start.layout or ""))


def _found(plan: "Plan", steps: int, first: float, last: float) -> "Curve":
    from rich.console import Console

    from imgcls.errors import UserError
    from imgcls.report.counting import Counting
    from imgcls.train.lr_find import find

    with Counting(Console(stderr=True)) as counting:
        counting.begin("raising the rate")
        curve = find(plan, steps, first, last, counting)
    if len(curve.rates) < _FEWEST:
        raise UserError(
            f"--from {first:g}: the loss is no number, or four times its least, by update {len(curve.rates) + 1}; "
            "lower it, or look at the recipe's data and model"
        )
    return curve


def _report(plan: "Plan", curve: "Curve") -> list[str]:
    what = f"{plan.name}: {plan.model.name} on {plan.data.dataset.name}, {plan.optimizer.name}"
    size = f"batches of {plan.train.batch_size}, {len(curve.rates)} updates"
    return [f"{what}, {size}", "", *_table(curve), "", *_suggestion(plan, curve)]


def _table(curve: "Curve") -> list[str]:
    every = max(1, len(curve.rates) // _ROWS)
    shown = {*range(0, len(curve.rates), every), curve.least, len(curve.rates) - 1}
    notes = {curve.least: "least"}
    if curve.steepest is not None:
        shown.add(curve.steepest)
        notes[curve.steepest] = "falls fastest"
    rows = [
        f"{curve.rates[step]:>10.3g}  {curve.losses[step]:>10.5g}  {curve.smoothed[step]:>10.5g}  "
        f"{notes.get(step, '')}".rstrip()
        for step in sorted(shown)
    ]
    return [f"{'rate':>10}  {'loss':>10}  {'smoothed':>10}", *rows]


def _suggestion(plan: "Plan", curve: "Curve") -> list[str]:
    first, last = curve.rates[0], curve.rates[-1]
    if curve.steepest is None:
        text = f"no suggestion: from {first:.3g} to {last:.3g} the loss does not fall by more than its own noise"
        return [f"{text}; give more --steps, or another --from and --to"]
    fastest, tenth = curve.rates[curve.steepest], curve.rates[curve.least] / 10
    lines = [
        f"suggestion: optimizer.lr = {fastest:.2g}, where the loss falls fastest",
        f"            a tenth of the rate of the least loss: {tenth:.2g}",
    ]
    if curve.still_falling:
        lines.append(f"the loss was still falling at {last:.3g}; a higher --to shows where that ends")
    written = plan.optimizer.options.get("lr")
    if isinstance(written, int | float):
        lines.append(f"the recipe has {written:g}")
    return lines


def _marks(plan: "Plan", curve: "Curve") -> "list[Mark]":
    from imgcls.report.rate_plot import Mark

    marks = []
    if curve.steepest is not None:
        marks.append(Mark(float(curve.rates[curve.steepest]), "falls fastest"))
        marks.append(Mark(float(curve.rates[curve.least]) / 10, "a tenth of the least's"))
    written = plan.optimizer.options.get("lr")
    if isinstance(written, int | float):
        marks.append(Mark(float(written), "the recipe's"))
    return marks


def _write(plan: "Plan", curve: "Curve", out: Path, force: bool) -> None:
    import io

    from imgcls.errors import UserError
    from imgcls.report.rate_plot import draw

    values = [each.tolist() for each in (curve.rates, curve.losses, curve.smoothed)]
    png = io.BytesIO()
    title = f"{plan.name}: {plan.model.name}, {plan.optimizer.name}, batches of {plan.train.batch_size}"
    rates, losses, smoothed = values
    draw(title, rates, losses, smoothed, _marks(plan, curve)).save(png, "PNG")
    rows = [
        f"{step},{rate!r},{loss!r},{mean!r}"
        for step, (rate, loss, mean) in enumerate(zip(*values, strict=True), 1)
    ]
    table = "\n".join(["step,rate,loss,smoothed", *rows]) + "\n"
    for file, content in ((out.with_suffix(".csv"), table.encode()), (out, png.getvalue())):
        try:
            with file.open("wb" if force else "xb") as opened:
                opened.write(content)
        except OSError as error:
            raise UserError(f"--out {file}: cannot be written: {error.strerror}") from None
