"""``imgcls jobs``: what runs on a cluster, and what ran."""

import json
import time

import click

from imgcls_cluster.commands.arguments import address_option, json_option


@click.command(short_help="List the jobs of a cluster.")
@address_option
@json_option
def jobs(address: str | None, as_json: bool) -> None:
    """List the jobs that imgcls submitted to a cluster, the newest first."""
    from imgcls_cluster.jobs.client import Jobs

    found, others = Jobs(address).all()
    if as_json:
        click.echo(json.dumps([job.to_json() for job in found], indent=2))
        return
    rows = [["JOB", "STATE", "WORKERS", "STARTED", "RUN"]]
    rows += [[job.name, job.state, job.about.workers, _when(job.started), job.about.folder] for job in found]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows if found else []:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if others or not found:
        have = "no job of imgcls" if not found else ""
        rest = f"{others} other{'s' if others != 1 else ''} on this cluster" if others else ""
        click.echo("; ".join(part for part in (have, rest) if part))


def _when(seconds: float | None) -> str:
    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
