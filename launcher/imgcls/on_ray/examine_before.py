"""The short form of ``imgcls doctor`` on a cluster that a launch has joined: seconds, before training."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from imgcls import lock
from imgcls.doctor import data
from imgcls.doctor.facts import Facts, Request, gather
from imgcls.doctor.findings import Finding, said
from imgcls.doctor.judge import Node, judged
from imgcls.doctor.judge_network import Reached, judged_network
from imgcls.doctor.storage import Probe, storage_probe
from imgcls.errors import UserError
from imgcls.interrupts import Interrupts
from imgcls.on_ray.examine import Look, Place, agents, places
from imgcls.on_ray.examine_cluster import facts_of, said_of, workers_on
from imgcls.plan import Plan
from imgcls.run_folder import RunFolder, explained

_START = 60.0  # seconds for a process on every node, all at once
_FACTS = 60.0
_LOOKED_AT = ("interface",)  # of the network: what else there is holds up no run


class _Interrupted(Exception):
    """The user wants to end."""


def examine_before(
    plan: Plan,
    folder: RunFolder,
    cpus: float,
    emit: Callable[[Mapping[str, Any]], None],
    interrupts: Interrupts,
) -> None:
    """See that a run's workers can start on every node that has room for one.

    Args:
        plan: of the run, or of one of a search's.
        folder: of the run, or of the search.
        cpus: of each worker.
        emit: takes notes.
        interrupts: end this process, once nothing is left of this, where the user wants to while nodes are
            waited for.

    Raises:
        UserError: something would fail or be wrong: all of it, each with its nodes and what mends it.
    """

    def look() -> None:
        if interrupts.requested:
            raise _Interrupted

    try:
        with ExitStack() as ending:
            with explained(folder.path):
                probe = ending.enter_context(storage_probe(_storage(folder)))
            found = _found(plan, _request(plan, probe), cpus, look)
    except _Interrupted:
        interrupts.end_at_once()
        return
    for text in said(found, "warning"):
        emit({"kind": "note", "text": f"note: {text}"})
    wrong = said(found, "error")
    if wrong:
        listed = "".join(f"\n    {text}" for text in wrong)
        raise UserError(
            f"the cluster is not ready for this run:{listed}\nnothing was trained; imgcls doctor looks at more"
        )


def _storage(folder: RunFolder) -> str:
    """Return what every node must be able to write to: the run's own folder, or the store that it is in."""
    return str(folder.path) if folder.address is None else folder.address.rpartition("/")[0]


def _request(plan: Plan, probe: Probe) -> Request:
    splits = data.splits(plan.data, deep=False, carried=not probe.folder)
    return Request(lock.modules_of(plan), probe, splits, deep=False)


def _found(plan: Plan, request: Request, cpus: float, look: Look) -> list[Finding]:
    where = _with_room(places(), cpus)
    with agents(where, look) as asked:
        asked.check_imgcls(_START)
        facts = facts_of(asked, request, _FACTS)
        here = gather(Request(request.modules, deep=False), "")
        failures = dict(asked.failures)
    found = said_of(failures)
    return [*found, *_judged(here, facts, request, plan.workers.count, cpus)]


def _judged(
    here: Facts, facts: Mapping[Place, Facts], request: Request, workers: int, cpus: float
) -> list[Finding]:
    nodes = [Node(place.name, each, workers_on(place, workers, cpus)) for place, each in facts.items()]
    network = judged_network([Reached(place.name, place.address, each) for place, each in facts.items()])
    return [*judged(here, nodes, request.splits), *(each for each in network if each.check in _LOOKED_AT)]


def _with_room(where: Sequence[Place], cpus: float) -> list[Place]:
    gpus = any(place.gpus for place in where)
    return [place for place in where if place.cpus >= cpus and (place.gpus or not gpus)]
