"""``imgcls models``: the models there are, and what one of them costs."""

import json
import re
from typing import TYPE_CHECKING, Any

import click

from imgcls.cli.components import as_data, asked, matching, note_broken, page

if TYPE_CHECKING:
    from imgcls.plugins import Found
    from imgcls.train.profile import Profile

# what can be sorted by -> the fact
_SORT = {"name": "", "params": "params_m", "macs": "macs_g", "top1": "top1", "year": "year", "size": "input_size"}
# fact, its form, its column's width
_FIGURES = (
    ("params_m", ".3f", 9),
    ("macs_g", ".4g", 8),
    ("input_size", "d", 4),
    ("top1", ".2f", 6),
    ("year", "d", 4),
)


@click.command(short_help="List the models, or show what one costs.")
@click.argument("what", nargs=-1, metavar="[GLOB | show NAME]")
@click.option("--sort", type=click.Choice(list(_SORT)), default="name", show_default=True, help="Smallest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True, help="show: for the memory.")
@click.option("--depth", type=click.IntRange(0), default=1, show_default=True, help="show: of the parts listed.")
def models(what: tuple[str, ...], sort: str, as_json: bool, batch_size: int, depth: int) -> None:
    """List the models, for [model]; `imgcls models show NAME` measures one and lists its options."""
    pattern, shown = asked("models", what)
    if shown is not None:
        _show(shown, as_json, batch_size, depth)
        return
    rows = sorted(matching("models", pattern), key=lambda found: _key(found, sort))
    if as_json:
        click.echo(json.dumps([as_data(found) for found in rows], indent=2))
        return
    click.echo(_table(rows))
    note_broken()


def _key(found: "Found", sort: str) -> tuple[Any, ...]:
    if sort == "name":
        # resnet18 before resnet101
        return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", found.name))
    value = found.component.facts.get(_SORT[sort])
    return (value is None, value or 0, found.name)  # what does not say comes last


def _table(rows: "list[Found]") -> str:
    width = max((len(found.name) for found in rows), default=0)
    lines = [f"{'model':<{width}}  {'params M':>9}  {'MACs G':>8}  {'px':>4}  {'top-1':>6}  {'year':>4}  paper"]
    for found in rows:
        facts = found.component.facts
        figures = "  ".join(_number(facts, key, form, wide) for key, form, wide in _FIGURES)
        lines.append(f"{found.name:<{width}}  {figures}  {facts.get('paper') or found.component.summary}".rstrip())
    return "\n".join(lines)


def _number(facts: Any, key: str, form: str, width: int) -> str:
    value = facts.get(key)
    return f"{'-' if value is None else format(value, form):>{width}}"


def _show(found: "Found", as_json: bool, batch_size: int, depth: int) -> None:
    from imgcls.component import load
    from imgcls.errors import UserError
    from imgcls.train.profile import profile

    facts, component = found.component.facts, found.component
    classes, channels = int(facts.get("classes", 1000)), int(facts.get("channels", 3))
    size = int(facts.get("input_size", 224))
    options = component.defaults
    if options is None:
        try:
            options = component.options()
        except TypeError:
            raise UserError(f"{found.name}: has options without a default; nothing can be measured") from None
    build = load(component.build)
    costs = profile(
        lambda: build(options, num_classes=classes, in_channels=channels), channels, size, batch_size, depth
    )
    recipes = _recipes(found.name)
    if as_json:
        from dataclasses import asdict

        click.echo(json.dumps({**as_data(found), "measured": asdict(costs), "recipes": recipes}, indent=2))
        return
    click.echo(page(found))
    click.echo("\n".join(["", *_costs(costs, classes, channels, size)]))
    click.echo(f"\nrecipes: {', '.join(recipes) or 'none is shipped'}")


def _costs(costs: "Profile", classes: int, channels: int, size: int) -> list[str]:
    layers = ", ".join(f"{count} {kind}" for kind, count in costs.layers)
    memory = (
        f"{_bytes(2 * costs.weights + costs.activations)} at batch size {costs.batch_size} in float32: "
        f"weights {_bytes(costs.weights)}, gradients as much, activations {_bytes(costs.activations)}; "
        f"each state of an optimizer {_bytes(costs.weights)} more"
    )
    lines = [
        f"measured with {classes} classes, {channels}x{size}x{size}:",
        f"    layers with weights  {sum(count for _, count in costs.layers)} ({layers})",
        f"    parameters           {costs.parameters:,}",
        f"    multiply-adds        {costs.macs / 1e9:,.4g} G an image",
        f"    memory to train      {memory}",
    ]
    if costs.parts:
        width = max(len(part.name) for part in costs.parts)
        lines += ["", f"    {'part':<{width}}  {'output':<16}  {'parameters':>12}  {'MACs M':>10}  kind"]
    for part in costs.parts:
        shape = "x".join(map(str, part.output))
        figures = f"{part.parameters:>12,}  {part.macs / 1e6:>10,.2f}"
        lines.append(f"    {part.name:<{width}}  {shape:<16}  {figures}  {part.kind}")
    return lines


def _bytes(count: int) -> str:
    return f"{count / 2**30:,.2f} GiB" if count >= 2**30 else f"{count / 2**20:,.1f} MiB"


def _recipes(name: str) -> list[str]:
    """Return the names of the shipped recipes that train a model."""
    import tomllib

    from imgcls.recipe import shipped

    found = []
    for recipe, path in shipped().items():
        model = tomllib.loads(path.read_text(encoding="utf-8")).get("model")
        if name in (model, model.get("name") if isinstance(model, dict) else None):
            found.append(recipe)
    return found
