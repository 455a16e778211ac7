"""What every kind of cluster asks of a job: nodes, names, paths, and the script that launches it."""

import hashlib
import json
import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace

from imgcls import Job, UserError, __version__
from imgcls.storage.places import is_address

_LONGEST_LABEL = 40  # what is made of a label may have 63 letters, and Kubernetes lengthens a RayJob's name by 16
RAY_START = (
    "--disable-usage-stats",
    "--object-store-memory=200000000",  # bytes; nothing large passes through it
    "--min-worker-port=0",  # any that is free: two nodes may share a host
    "--max-worker-port=0",
)


def nodes(workers: int, each: int) -> int:
    """Return how many nodes so many workers need, with room for ``each`` on one."""
    return math.ceil(workers / each)


def fewest_nodes(job: Job, each: int) -> int:
    """Return how many nodes must be there before the run begins."""
    return nodes(job.least or job.workers, each)


def node_cpus(job: Job, each: int) -> int:
    """Return the CPUs of a node for ``each`` workers: whole ones, as Ray counts them."""
    return math.ceil(job.cpus * each)


def label(name: str) -> str:
    """Return a name as host names, Kubernetes and Docker want it: of a-z, 0-9 and -.

    Names that differ in more than which of _ . - they have get different ones.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    said = plain == name.lower().replace("_", "-").replace(".", "-")
    if not plain or plain[0].isdigit():
        plain = f"run-{plain}".rstrip("-")
    if said and name == name.lower() and len(plain) <= _LONGEST_LABEL:
        return plain
    return f"{plain[: _LONGEST_LABEL - 9].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def stored_below(job: Job, mount: str) -> Job:
    """Return the job with its storage as an absolute path below a folder that is the same on all nodes.

    An address, such as s3://bucket/runs, stays what it is.

    Raises:
        UserError: it lies elsewhere.
    """
    if is_address(job.storage):
        return job
    folder = mount.rstrip("/")
    storage = job.storage if job.storage.startswith("/") else f"{folder}/{job.storage}"
    if ".." in storage.split("/") or not f"{storage}/".startswith(f"{folder}/"):
        raise UserError(
            f"--storage {job.storage}: is not below {folder}, the folder that all nodes share there; "
            "give one below it, or a relative one"
        )
    return replace(job, storage=storage)


def words(command: Sequence[str]) -> str:
    """Return a command as a shell reads it."""
    return shlex.join(command)


def launch_script(job: Job, recipe: str, each: int, seconds: int, first: Sequence[str] = ()) -> str:
    """Return the shell script that waits for the nodes and launches the job there, or continues it.

    Args:
        job: what to launch.
        recipe: where the recipe's file lies on the node that the script runs on.
        each: workers on a node.
        seconds: that the nodes have to come.
        first: lines before that.
    """
    needed = str(fewest_nodes(job, each))
    wait = ["imgcls", "cluster", "wait", needed, "--address", "auto", "--seconds", str(seconds)]
    return "\n".join(["#!/bin/bash", *first, f"{words(wait)} || exit", f"exec {words(job.command(recipe))}", ""])


def about(job: Job) -> list[str]:
    """Return lines that say what a manifest is for; none can be broken by a name."""
    count = f"{job.least} to {job.workers}" if job.least else str(job.workers)
    workers = f"{count} worker{'s' if job.workers > 1 else ''}"
    return [
        f"imgcls {__version__}, the run {json.dumps(job.name)}: {workers} of {job.cpus:g} CPU"
        + (" and a GPU" if job.gpus else ""),
        f"Every node must have: {json.dumps(', '.join(job.packages))[1:-1] or f'imgcls {__version__}'}",
    ]


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Return ``key=value`` texts as a table.

    Raises:
        UserError: one of them is none.
    """
    found = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise UserError(f"--option {option}: expected key=value in each, got {json.dumps(text)}")
        found[key] = value
    return found


def plain_word(option: str, value: str | None, also: str = "") -> None:
    """See that a value can stand where nothing can be quoted.

    Args:
        option: its name.
        value: None is none.
        also: letters that it may have beside the usual ones.

    Raises:
        UserError: it has a letter that may not be there.
    """
    letters = f"_.:/@+,=-{also}"
    if value is not None and not re.fullmatch(rf"[A-Za-z0-9{re.escape(letters)}]+", value):
        raise UserError(
            f"--option {option}={json.dumps(value)}: only letters, digits and {' '.join(letters)} can be in it"
        )


def ray_version() -> str:
    """Return the version of Ray that is installed here, which every node must have."""
    from importlib.metadata import version

    return version("ray")
