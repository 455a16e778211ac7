"""One file a command; click at the top, everything else imported inside the command."""

import click


def commands() -> list[click.Command]:
    """Return the commands of this package."""
    return []
