"""``imgcls datasets``, ``imgcls augmentations`` and their siblings: one command a kind of component."""

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from imgcls.plugins import Found

_KINDS = {
    "datasets": "datasets, for [data]",
    "augmentations": "augmentations, for [[augment]]",
    "optimizers": "optimizers, for [optimizer]",
    "schedules": "learning-rate schedules, for [schedule]",
    "losses": "losses, for [loss]",
    "trackers": "trackers, for [[track]]",
    "callbacks": "callbacks, for [[callback]]",
    "clusters": "kinds of cluster, for imgcls cluster render",
}


def component_commands() -> list[click.Command]:
    """Return a command for each kind of component."""
    return [_command(kind, words) for kind, words in _KINDS.items()]


def _command(kind: str, words: str) -> click.Command:
    text = f"List the {words}; `imgcls {kind} show NAME` lists one's options."

    @click.command(kind, help=text, short_help=f"List the {words}.")
    @click.argument("what", nargs=-1, metavar="[GLOB | show NAME]")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    def command(what: tuple[str, ...], as_json: bool) -> None:
        pattern, shown = asked(kind, what)
        if shown is not None:
            click.echo(json.dumps(as_data(shown), indent=2) if as_json else page(shown))
            return
        rows = matching(kind, pattern)
        if as_json:
            click.echo(json.dumps([as_data(found) for found in rows], indent=2))
            return
        width = max((len(found.name) for found in rows), default=0)
        for found in rows:
            click.echo(f"{found.name:<{width}}  {found.component.summary}".rstrip())
        note_broken()

    return command


def asked(kind: str, what: tuple[str, ...]) -> tuple[str, "Found | None"]:
    """Return the pattern that a command was given, or the component of ``show NAME``.

    Raises:
        UserError: there is no such component.
    """
    from imgcls.errors import UserError
    from imgcls.plugins import UnknownComponent, installed

    if len(what) == 2 and what[0] == "show":
        try:
            return "", installed().find(kind, what[1])
        except UnknownComponent as error:
            raise UserError(str(error)) from None
    if len(what) > 1:
        raise click.UsageError(f"expected nothing, a pattern, or show NAME; got {' '.join(what)}")
    return what[0] if what else "*", None


def matching(kind: str, pattern: str) -> "list[Found]":
    """Return the components of a kind whose names match a pattern.

    Raises:
        UserError: none does.
    """
    from fnmatch import fnmatchcase

    from imgcls.errors import UserError
    from imgcls.plugins import installed

    known = installed().components(kind)
    rows = [found for name, found in known.items() if fnmatchcase(name, pattern)]
    if known and not rows:
        raise UserError(f"none of the {len(known)} {kind} matches '{pattern}'")
    return rows


def note_broken() -> None:
    """Say on standard error which plugins could not be loaded."""
    from imgcls.plugins import installed

    for broken in installed().broken:
        click.echo(f"note: the plugin '{broken.plugin}' could not be loaded: {broken.error}", err=True)


def as_data(found: "Found") -> dict[str, Any]:
    """Return what is known of a component, for JSON."""
    return {
        "name": found.name,
        "summary": found.component.summary,
        "package": found.origin,
        "options": [{"name": o[0], "type": o[1], "default": o[2], "help": o[3]} for o in _options(found)],
        "facts": dict(found.component.facts),
    }


def _options(found: "Found") -> list[tuple[str, str, Any, str]]:
    from dataclasses import MISSING, fields
    from typing import get_type_hints

    component = found.component
    hints = get_type_hints(component.options, include_extras=True)
    rows = []
    for field in fields(component.options):
        default = field.default if component.defaults is None else getattr(component.defaults, field.name)
        kind, help_line = _type_and_help(hints[field.name])
        if default is MISSING:
            kind, default = f"{kind}, required", None
        rows.append((field.name, kind, default, help_line))
    return rows


def _type_and_help(hint: Any) -> tuple[str, str]:
    """Return an option's type with its range, in words, and its line of help."""
    from typing import Annotated, Literal, get_args, get_origin

    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = [_bound(note) for note in inner[1:] if not isinstance(note, str)]
        words = next((note for note in inner[1:] if isinstance(note, str)), "")
        return " ".join([_type_and_help(inner[0])[0], *bounds]), words
    if origin is Literal:
        return " | ".join(repr(choice) for choice in inner), ""
    if origin is tuple:
        if inner[-1] is ...:
            return f"list of {_type_and_help(inner[0])[0]}", ""
        return f"[{', '.join(_type_and_help(item)[0] for item in inner)}]", ""
    if type(None) in inner:
        rest = [_type_and_help(item)[0] for item in inner if item is not type(None)]
        return f"{' | '.join(rest)}, optional", ""
    return getattr(hint, "__name__", str(hint)), ""


def _bound(note: Any) -> str:
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    return " ".join(f"{sign} {getattr(note, name):g}" for name, sign in signs.items() if hasattr(note, name))


def page(found: "Found") -> str:
    """Return what is known of a component, to be read."""
    from imgcls.recipe.tables import show

    component = found.component
    lines = [f"{found.name}: {component.summary}", f"from {found.origin}, {component.build}"]
    rows = _options(found)
    if rows:
        lines += ["", "options:"]
    for name, kind, default, help_line in rows:
        value = "" if default is None else f" = {show(default)}"
        lines.append(f"    {name}{value}  ({kind}) {help_line}".rstrip())
    known = {key: value for key, value in component.facts.items() if value is not None and value != ""}
    if known:
        lines += ["", "facts:", *(f"    {key} = {show(value)}" for key, value in known.items())]
    return "\n".join(lines)
