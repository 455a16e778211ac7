"""``imgcls doctor`` on a cluster: every node's facts, clocks, connections, and a sum of all of them."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from imgcls.doctor.facts import Facts, Request, gather
from imgcls.doctor.findings import Finding
from imgcls.doctor.judge import Node, judged
from imgcls.doctor.judge_network import Exchange, Reached, judged_exchange, judged_look_ups, judged_network
from imgcls.doctor.storage import answered
from imgcls.on_ray.cluster import joined
from imgcls.on_ray.examine import Agents, Failure, Place, agents, places
from imgcls.recipe.schema import Workers
from imgcls.run_folder import RunFolder

_SAME_WHEEL = "install the same wheel on every node: pip install --force-reinstall WHEEL"
_START = 90.0  # seconds for a process on every node, all at once
_FACTS = 120.0  # for its facts: storage that is away holds it up
_TORCH = 120.0  # to import torch
_REACH = 15.0
_SUM = 20.0
_NAMES = 60.0  # to look up names, where a name server does not answer
_LOOK_UPS = 3  # that torch makes one after another
_LATER = 2.0  # after which who has not given it up is given up
_ROUNDS = 5  # of asking for the time


def facts_of(asked: Agents, request: Request, seconds: float) -> dict[Place, Facts]:
    """Return the facts of every node that answers, with what became of its note in the storage."""
    tree, found = asdict(request), {}
    told = asked.ask("facts", seconds, {place: (tree, place.id) for place in asked.at})
    if request.storage is not None:
        seen = answered(request.storage, {place.id: each["storage"] for place, each in told.items()})
        told = {place: {**each, "storage": seen[place.id]} for place, each in told.items()}
    for place, each in told.items():
        try:
            found[place] = Facts.from_json(each)
        except (TypeError, KeyError):
            asked.drop(place, Failure("its imgcls is another than ours, of the same version", _SAME_WHEEL))
    return found


def said_of(failures: Mapping[Place, Failure]) -> list[Finding]:
    """Return what is to be said of nodes that gave no answer; one that has left the cluster meanwhile is none."""
    there = {place.id for place in places()}
    return [
        why.finding(place)
        if place.id in there
        else Finding("node", place.name, "warning", "left the cluster meanwhile", "give the command again")
        for place, why in failures.items()
    ]


def workers_on(place: Place, workers: int, cpus: float) -> int:
    """Return how many workers of so many CPUs may run on a node."""
    return min(workers, int(place.cpus // cpus)) if cpus else 0


def examined_at(address: str, request: Request, workers: int, cpus: float) -> list[Finding]:
    """Join a cluster, and return what is found there; see :func:`examined`.

    Args:
        address: HOST:PORT of the cluster.
        request, workers, cpus: as :func:`examined` has them.

    Raises:
        UserError: it does not let this process in, or this machine is no node of it.
    """
    with TemporaryDirectory(prefix="imgcls-doctor-") as logs, joined(RunFolder(Path(logs)), Workers(), address):
        return examined(request, workers, cpus)


def examined(request: Request, workers: int, cpus: float) -> list[Finding]:
    """Return what is found on the cluster that this process has joined.

    Args:
        request: what to look for.
        workers: of the run; 0: not known.
        cpus: of each worker.
    """
    where = places()
    with agents(where) as asked:
        asked.check_imgcls(_START)
        facts = facts_of(asked, request, _FACTS)
        here = gather(Request(request.modules, deep=False), "")
        failures = dict(asked.failures)
        clocks = {place: _clock(asked.at[place]) for place in asked.at}
        network = judged_network([Reached(p.name, p.address, f, clocks.get(p)) for p, f in facts.items()])
        wrong = {finding.node for finding in network if finding.check == "interface" and finding.status == "error"}
        network += _exchanged(asked, [place for place in asked.at if place.name not in wrong])
    found = said_of(failures)
    nodes = [Node(place.name, each, workers_on(place, workers, cpus)) for place, each in facts.items()]
    return [*found, *judged(here, nodes, request.splits), *network]


def _clock(handle: Any) -> tuple[float, float] | None:
    """Return how far a node's clock is ahead of ours, and how far that may be off, in seconds."""
    import ray

    best: tuple[float, float] | None = None
    for _ in range(_ROUNDS):
        began = time.time()
        try:
            theirs = ray.get(handle.now.remote(), timeout=_REACH)
        except ray.exceptions.RayError:
            return best
        ended = time.time()
        bound = (ended - began) / 2
        if best is None or bound < best[1]:
            best = theirs - (began + ended) / 2, bound
    return best


def _exchanged(asked: Agents, among: list[Place]) -> list[Finding]:
    """Return what comes of connections and of a sum among some nodes; those with no interface hold others up."""
    if len(among) < 2:
        return []
    unreached = _unreached(asked, among)
    took = _look_ups(asked, [place for place in among if place in asked.at])
    patience = _SUM + _LOOK_UPS * max(took.values(), default=0.0)
    exchange = Exchange(unreached) if unreached else _sum(asked, list(took), patience)
    late = [place for place in among if place not in asked.at and place.name not in exchange.failures]
    failures = [asked.failures[place].finding(place) for place in late]
    named = judged_look_ups({place.name: seconds for place, seconds in took.items()})
    return [*named, *failures, *judged_exchange([place.name for place in among if place not in late], exchange)]


def _unreached(asked: Agents, among: list[Place]) -> list[tuple[str, str, str]]:
    ports = asked.ask("listen", _REACH, {place: (place.address,) for place in among})
    others = {place: [each for each in ports if each != place] for place in ports}
    wanted = {place: ([(each.address, ports[each]) for each in ends],) for place, ends in others.items()}
    reached = asked.ask("reach", _REACH, wanted)
    return [
        (place.name, end.name, why)
        for place, whys in reached.items()
        for end, why in zip(others[place], whys, strict=True)
        if why
    ]


def _look_ups(asked: Agents, among: list[Place]) -> dict[Place, float]:
    """Return how many seconds each node takes to look up the name of another: torch does, and waits for it."""
    other = {place: among[0] if place != among[0] else among[-1] for place in among}
    return asked.ask("look_up", _NAMES, {place: (other[place].address,) for place in among})


def _sum(asked: Agents, among: list[Place], patience: float) -> Exchange:
    """Sum tensors over nodes; that they can connect is not enough for gloo, which picks interfaces."""
    ports = asked.ask("ready", _TORCH, dict.fromkeys(among, ()))
    among = list(ports)
    if len(among) < 2:
        return Exchange()
    first = among[0]
    address = f"tcp://{first.address}:{ports[first]}"
    calls = {place: (address, rank, len(among), place.address, patience) for rank, place in enumerate(among)}
    speeds = asked.ask("reduce", patience + _LATER, calls)
    failed = {place.name: asked.failures[place].why for place in among if place in asked.failures}
    slowest = {size: min(each[size] for each in speeds.values()) for size in next(iter(speeds.values()), {})}
    return Exchange((), slowest, failed)
