"""One file a command; click at the top, everything else imported inside the command."""

import click

from imgcls_cluster.commands.plan import plan


def commands() -> list[click.Command]:
    """Return the commands of this package."""
    return [plan]
