"""``imgcls stop``: a job ends with a checkpoint."""

import sys

import click

from imgcls_cluster.commands.arguments import address_option, job_argument


@click.command(short_help="End a job with a checkpoint.")
@job_argument
@address_option
def stop(job: str, address: str | None) -> None:
    """End a job's run with a checkpoint, and wait until it has ended.

    Submitting the same run again continues it. A run that has not written its checkpoint within 15 minutes is
    ended without one.
    """
    from imgcls_cluster.jobs.client import Jobs
    from imgcls_cluster.jobs.stopping import stopped
    from imgcls_cluster.jobs.watching import say

    there = Jobs(address)
    found = there.job(job)
    if found.is_ended:
        click.echo(f"{job} has ended already: {found.state}")
        return
    there.stop(job)
    say(f"asked {job} to end; waiting for its checkpoint")
    text, well = stopped(there, job)
    click.echo(text)
    sys.exit(0 if well else 1)
