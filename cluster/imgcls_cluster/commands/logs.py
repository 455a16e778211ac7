"""``imgcls logs``: what a job has said."""

import sys

import click

from imgcls_cluster.commands.arguments import address_option, job_argument


@click.command(short_help="Print what a job has said.")
@job_argument
@address_option
@click.option("-f", "--follow", is_flag=True, help="Until the job ends; Ctrl-C leaves it, and it goes on.")
@click.option("--plain", is_flag=True, help="Plain lines instead of a live view, also on a terminal.")
def logs(job: str, address: str | None, follow: bool, plain: bool) -> None:
    """Print what a job has said so far, as the launch itself would.

    With --follow the exit code is the launch's own, and 130 where Ctrl-C left it.
    """
    from imgcls_cluster.jobs.client import Jobs
    from imgcls_cluster.jobs.follow import Shown
    from imgcls_cluster.jobs.watching import complain, terminal, watch

    there = Jobs(address)
    found = there.job(job)
    if follow:
        sys.exit(watch(there, job, found.about.title, plain))
    shown = Shown(terminal(found.about.title, plain=True), complain)
    shown.take(there.logs(job))
    shown.end(found)
