"""``imgcls plan``: what a run would reach on more workers than there are."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imgcls_cluster.scaling.units import Bandwidth, Counts, Duration, SpeedAt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgcls.recipe import Recipe
    from imgcls_cluster.scaling.fit import Check
    from imgcls_cluster.scaling.model import Compute, Forecast, Scaling


@click.command(short_help="Forecast speed and efficiency on more workers.")
@click.argument("recipe", metavar="RECIPE")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Lay a value over the recipe's.")
@click.option("--workers", type=Counts(), default="16,64,256", show_default=True, help="To forecast.")
@click.option(
    "--bandwidth",
    type=Bandwidth(),
    required=True,
    help="Between hosts, in each direction, for one ring: 25Gbit, 400Gbit, 12.5GB.",
)
@click.option("--latency", type=Duration(), default="20us", show_default=True, help="Of a message between hosts.")
@click.option("--workers-per-host", type=click.IntRange(1), default=1, show_default=True, help="GPUs of a host.")
@click.option("--host-bandwidth", type=Bandwidth(), help="Within a host: 300GB. Default: as between hosts.")
@click.option("--input-speed", type=click.FloatRange(0, min_open=True), help="Images/s of a host's loader.")
@click.option(
    "--speed",
    "speeds",
    type=SpeedAt(),
    multiple=True,
    help="Speed of one worker, in place of measuring here: 256:2470. Twice, with two batches, is better.",
)
@click.option("--measure", type=Counts(), default="1,2,4", show_default=True, help="Workers to measure here.")
@click.option("--seconds", type=click.FloatRange(1), default=10, show_default=True, help="To time each for.")
@click.option(
    "--measurements",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that measurements are kept in; if it is there, nothing is measured again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(recipe: str, overrides: tuple[str, ...], bandwidth: float, as_json: bool, **given: Any) -> None:
    """Forecast a recipe's speed and efficiency on more workers than there are.

    Short launches on 1, 2 and 4 workers of this machine are measured; a model of step time (forward and backward
    pass, ring all-reduce, input) is fitted to the first two and held against the third. It prints what it assumes.

    \b
    imgcls plan RECIPE --bandwidth 100Gbit --workers 16,64,256
    imgcls plan RECIPE --bandwidth 200Gbit --workers-per-host 8 --host-bandwidth 300GB --speed 256:2470
    """
    from imgcls.plugins import installed
    from imgcls.recipe import find, read
    from imgcls_cluster.scaling import report
    from imgcls_cluster.scaling.model import Link, Scaling

    found = read(find(recipe), installed(), overrides)
    batch = found.train.batch_size
    checks: list[Check] = []
    if given["speeds"]:
        compute, parameters = _told(given["speeds"]), _parameters(found)
        source, alone = "the one whose speed was given", max(samples for samples, _ in given["speeds"])
    else:
        compute, checks, parameters = _measured(recipe, overrides, found, given)
        source, alone = "one worker measured here, with a machine or device of its own", batch
    link = Link(bandwidth, given["latency"])
    within = Link(given["host_bandwidth"] or bandwidth, given["latency"])
    scaling = Scaling(compute, 4.0 * parameters, link, within, given["workers_per_host"], given["input_speed"])
    kept, grown = _forecasts(scaling, given["workers"], batch, alone)
    if as_json:
        click.echo(json.dumps(report.as_data(kept, grown, checks), indent=2))
        return
    lines = [*report.checks(checks), ""] if checks else []
    lines += report.forecasts(f"the recipe's global batch of {batch:,} kept, as a launch does:", kept)
    if len(too_many := [count for count in given["workers"] if count > batch]):
        lines.append(f"  not {', '.join(map(str, too_many))}: a worker must have a sample of each {batch:,}")
    lines.append("")
    lines += [*report.forecasts(f"{alone:,} samples on each worker, the global batch grown:", grown), ""]
    lines += [*report.assumptions(scaling, source), "", *report.published()]
    click.echo("\n".join(lines))


def _forecasts(
    scaling: "Scaling", counts: "Sequence[int]", batch: int, alone: int
) -> "tuple[list[Forecast], list[Forecast]]":
    """Return the forecasts with the global batch kept, and with that of a worker kept."""
    fitting = [count for count in (1, *counts) if count <= batch]
    kept = [scaling.forecast(count, batch / count, batch) for count in dict.fromkeys(fitting)]
    grown = [scaling.forecast(count, alone, alone) for count in dict.fromkeys((1, *counts))]
    return kept, grown


def _told(speeds: "Sequence[tuple[int, float]]") -> "Compute":
    from imgcls_cluster.scaling.model import Compute

    return Compute.through((batch, batch / speed) for batch, speed in speeds)


def _parameters(recipe: "Recipe") -> int:
    """Return the parameters of the recipe's model with the classes that its weights were published for."""
    from imgcls.component import load
    from imgcls.plan import resolve_format
    from imgcls.train.profile import profile

    component, shape = recipe.model.found.component, resolve_format(recipe)
    classes = int(component.facts.get("classes", 1000))
    build = load(component.build)
    size = shape.training.size
    return profile(
        lambda: build(recipe.model.options, num_classes=classes, in_channels=shape.channels),
        shape.channels,
        size,
        1,
    ).parameters


def _measured(
    path: str, overrides: "Sequence[str]", recipe: "Recipe", given: dict[str, Any]
) -> "tuple[Compute, list[Check], int]":
    from imgcls_cluster.scaling.fit import fit
    from imgcls_cluster.scaling.kept import Kept, measure

    kept = Kept.load(given["measurements"], recipe)
    if kept is None:
        kept = measure(path, overrides, recipe, given["measure"], given["seconds"], _say)
        kept.save(given["measurements"])
    machine, checks = fit(kept.measurements, kept.cpus, kept.threads)
    return machine.compute, checks, kept.parameters


def _say(text: str) -> None:
    click.echo(text, err=True)  # standard output is for the forecast
