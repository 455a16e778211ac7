"""``imgcls fetch``: the results of a job's run."""

from pathlib import Path

import click

from imgcls_cluster.commands.arguments import address_option, job_argument


@click.command(short_help="Bring the results of a job here.")
@job_argument
@address_option
@click.option("--out", type=click.Path(path_type=Path), help="Folder to bring them into. Default: runs/NAME.")
def fetch(job: str, address: str | None, out: Path | None) -> None:
    """Bring the results of a job's run here: records, logs, the best and the last checkpoint, verified.

    They are read from the storage where it is seen here, or is an address; else a small job on the cluster's head
    sends them, 64 MiB at most. A folder that holds something else is left as it is.
    """
    from imgcls_cluster.jobs.client import Jobs
    from imgcls_cluster.jobs.fetching import fetch as bring
    from imgcls_cluster.jobs.fetching import fetched_before, is_the_same
    from imgcls_cluster.jobs.shipment import mib
    from imgcls_cluster.jobs.sources import source_of

    there = Jobs(address)
    found = there.job(job)
    folder = Path("runs") / found.about.run if out is None else out
    is_it = is_the_same(folder, found.about.folder)  # if that is the cluster's folder
    known = {} if is_it else fetched_before(found, folder)
    source = source_of(there, found)
    if is_it and source.folder is not None:
        click.echo(f"the run's folder is here already: {folder}")
        return
    done = bring(found, source, folder, fetched_before(found, folder) if is_it else known)
    click.echo(f"fetched {done.files} files, {mib(done.size)}, from {source.where} into {done.folder}")
    for name in done.checkpoints:
        click.echo(f"    {name}: every checksum is right")
    if not found.is_ended:
        click.echo(f"{job} is {found.state}: this is how it was a moment ago")
