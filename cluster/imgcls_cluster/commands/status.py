"""``imgcls status``: how a job is."""

import json

import click

from imgcls_cluster.commands.arguments import address_option, job_argument, json_option


@click.command(short_help="Say how a job is.")
@job_argument
@address_option
@json_option
def status(job: str, address: str | None, as_json: bool) -> None:
    """Say how a job is: its state, how far the run is, and where its results are."""
    from imgcls_cluster.jobs.client import Jobs
    from imgcls_cluster.jobs.standing import standing

    there = Jobs(address)
    found = standing(there.job(job), there.logs(job))
    click.echo(json.dumps(found.to_json(), indent=2) if as_json else found.text)
