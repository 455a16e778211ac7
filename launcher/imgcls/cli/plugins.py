"""``imgcls plugins``."""

import json

import click


@click.command(short_help="List the installed plugins.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def plugins(as_json: bool) -> None:
    """List the installed plugins, what each brings, and those that could not be loaded."""
    from imgcls.plugins import KINDS, installed

    found = installed()
    rows = []
    for kind in KINDS:
        found.components(kind)  # a plugin may turn out broken when it is asked
    for plugin in found.loaded:
        brings = {
            kind: sorted(f.component.name for f in found.components(kind).values() if f.plugin == plugin.plugin)
            for kind in KINDS
        }
        rows.append(
            {
                "plugin": plugin.plugin,
                "package": plugin.distribution,
                "version": plugin.version,
                "brings": {kind: names for kind, names in brings.items() if names},
            }
        )
    broken = [
        {"plugin": b.plugin, "package": b.distribution, "version": b.version, "error": b.error}
        for b in found.broken
    ]
    if as_json:
        click.echo(json.dumps([*rows, *broken], indent=2))
        return
    for row in rows:
        click.echo(f"{row['plugin']} ({row['package']} {row['version']})")
        brings_now: dict[str, list[str]] = row["brings"]  # type: ignore[assignment]
        for kind, names in brings_now.items():
            click.echo(f"    {kind}: {', '.join(names)}")
    for entry in broken:
        click.echo(f"{entry['plugin']} ({entry['package']} {entry['version']})\n    not loaded: {entry['error']}")
