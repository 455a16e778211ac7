"""One file a command; click at the top, everything else imported inside the command."""

import click

from imgcls_cluster.commands.cluster import cluster
from imgcls_cluster.commands.fetch import fetch
from imgcls_cluster.commands.jobs import jobs
from imgcls_cluster.commands.logs import logs
from imgcls_cluster.commands.plan import plan
from imgcls_cluster.commands.status import status
from imgcls_cluster.commands.stop import stop
from imgcls_cluster.commands.submit import submit


def commands() -> list[click.Command]:
    """Return the commands of this package."""
    return [submit, jobs, logs, status, stop, fetch, plan, cluster]
