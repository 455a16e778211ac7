"""A batch script for Slurm that starts Ray on every node of the allocation, and goes on in the next one."""

import hashlib
import math
import re
import shlex
from importlib.resources import files
from string import Template
from typing import Annotated

from annotated_types import Ge, Gt

from imgcls import Component, Job, UserError, options
from imgcls_cluster.render._job import RAY_START, about, fewest_nodes, label, node_cpus, nodes, plain_word

# no argument can have a zero byte, so that none is taken for these
_RECIPE, _ADDRESS = "\0recipe", "\0address"
_VARIABLES = {_RECIPE: '"$work/recipe.toml"', _ADDRESS: '"$address"'}
# option -> the letters that it may have beside those of a plain word; the line is not read by a shell
_LETTERS = {
    "partition": "",
    "account": "",
    "qos": "",
    "constraint": "&|*()[]",
    "time": "",
    "output": "%",
    "gpu_type": "",
}
_TIME = re.compile(r"(\d+-)?(\d+)(:\d+)?(:\d+)?")
_SETTLED = 180  # seconds: a minute for Slurm, which may signal so much earlier, and for Ray to start


class _Script(Template):
    delimiter = "@@"


@options
class Slurm:
    """What the script says beyond the job."""

    partition: Annotated[str | None, "where it runs; unset: the cluster's default"] = None
    account: Annotated[str | None, "who pays for it"] = None
    qos: Annotated[str | None, "quality of service"] = None
    constraint: Annotated[str | None, "features that the nodes must have"] = None
    time: Annotated[str | None, "limit, as in 1-12:00:00; unset: the partition's"] = None
    memory_gib: Annotated[int | None, Gt(0), "of a worker; unset: the cluster's default"] = None
    gpu_type: Annotated[str | None, "as Slurm names it, such as a100; unset: any"] = None
    workers_per_node: Annotated[int, Gt(0), "workers, and so GPUs, of a node"] = 1
    setup: Annotated[tuple[str, ...], "shell lines that every node runs first, such as `module load python`"] = ()
    interface: Annotated[
        str | None, "network interface between the nodes, such as ib0; unset: the host name's"
    ] = None
    signal_seconds: Annotated[int, Ge(10), "before the time limit, for the last checkpoint"] = 300
    requeues: Annotated[int, Ge(0), "how often the job may be queued again"] = 100
    start_seconds: Annotated[int, Gt(0), "that Ray has to start on all nodes"] = 900
    output: Annotated[str, "file of what it prints; %x: the job's name, %j: its number"] = "%x-%j.out"


def build(options: Slurm, job: Job) -> str:
    """Return the script.

    Raises:
        UserError: an option has a letter that a directive of Slurm cannot have, or the time limit is too short.
    """
    _check_time(options)
    each = min(options.workers_per_node, job.workers)
    end = _marker(job.recipe)
    words = job.command(_RECIPE, _ADDRESS)
    return _Script(files(__package__).joinpath("slurm.sh").read_text(encoding="utf-8")).substitute(
        directives="\n".join(f"#SBATCH {word}" for word in _directives(options, job, each)),
        comments="\n".join(f"# {line}" for line in about(job)),
        seconds=options.signal_seconds,
        setup="\n".join(f"    {line}" for line in options.setup) or "    :",
        cpus=node_cpus(job, each),
        gpus=job.gpus * each,
        start_seconds=options.start_seconds,
        recipe=job.recipe.rstrip("\n"),
        end=end,
        environment="\n".join(f"export {shlex.quote(f'{key}={value}')}" for key, value in job.environment.items())
        or ":",
        interface=shlex.quote(options.interface or ""),
        ray_start=" ".join(RAY_START),
        fewest=fewest_nodes(job, each),
        launch=" ".join(_VARIABLES.get(word) or shlex.quote(word) for word in words),
        requeues=options.requeues,
    )


def _check_time(options: Slurm) -> None:
    """See that a job trains for a while before it is told to stop: else it is queued again for nothing.

    Raises:
        UserError: it does not, or the limit is not one of Slurm's.
    """
    if options.time is None:
        return
    match = _TIME.fullmatch(options.time)
    if match is None:
        raise UserError(f"--option time={options.time}: expected Slurm's DAYS-HOURS:MINUTES:SECONDS, or MINUTES")
    days, first, *rest = match.groups(default="")
    numbers = [int(number) for number in (first, *(text.lstrip(":") for text in rest)) if number]
    # with days hours come first, alone minutes
    units = (3600, 60, 1) if days or len(numbers) == 3 else (60, 1)
    seconds = 86400 * int(days.rstrip("-") or 0) + sum(n * unit for n, unit in zip(numbers, units, strict=False))
    least = options.signal_seconds + _SETTLED
    if seconds < least:
        raise UserError(
            f"--option time={options.time}: the job is told to stop signal_seconds={options.signal_seconds} "
            f"before that, perhaps a minute earlier; give it {math.ceil(least / 60)} minutes or more"
        )


def _directives(options: Slurm, job: Job, each: int) -> list[str]:
    for option, letters in _LETTERS.items():
        plain_word(option, getattr(options, option), letters)
    count, fewest = nodes(job.workers, each), fewest_nodes(job, each)
    kind = f"{options.gpu_type}:" if options.gpu_type else ""
    given = {
        "job-name": label(job.name),
        "nodes": str(count) if fewest == count else f"{fewest}-{count}",
        "ntasks-per-node": "1",
        "cpus-per-task": str(node_cpus(job, each)),
        "gpus-per-node": f"{kind}{job.gpus * each}" if job.gpus else None,
        "mem": f"{options.memory_gib * each}G" if options.memory_gib else None,
        "partition": options.partition,
        "account": options.account,
        "qos": options.qos,
        "constraint": options.constraint,
        "time": options.time,
        "output": options.output,
        "open-mode": "append",
        "signal": f"B:TERM@{options.signal_seconds}",
    }
    return [*(f"--{key}={value}" for key, value in given.items() if value is not None), "--requeue"]


def _marker(recipe: str) -> str:
    """Return a word that no line of the recipe is.

    Raises:
        UserError: the recipe holds what no shell script can.
    """
    if "\0" in recipe:
        raise UserError("the recipe has a zero byte in it, which no shell script can hold")
    digest = hashlib.sha256(recipe.encode()).hexdigest()
    lines = set(recipe.split("\n"))
    return next(word for n in range(8, 65) if (word := f"RECIPE_{digest[:n]}") not in lines)


COMPONENT = Component(
    name="slurm",
    build=f"{__name__}:build",
    options=Slurm,
    summary="Slurm: a script for sbatch that is queued again before its time limit",
)
