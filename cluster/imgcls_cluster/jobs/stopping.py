"""Waiting for a job that was asked to end."""

import time

from imgcls_cluster.jobs.client import Jobs
from imgcls_cluster.jobs.standing import standing

_LOOK_EVERY = 0.5  # seconds


def stopped(jobs: Jobs, name: str) -> tuple[str, bool]:
    """Wait for the end of a job; return how it ended, and whether as it should."""
    while not (job := jobs.job(name)).is_ended:
        time.sleep(_LOOK_EVERY)
    if job.state == "SUCCEEDED":
        return f"{name} had finished before", True
    found = standing(job, jobs.logs(name))
    if found.saved or "step" not in found.figures:
        return f"{name}: {found.last or 'stopped before it began'}", True
    return f"{name} was ended without a checkpoint of its last steps; see imgcls logs {name}", False
