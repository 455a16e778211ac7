"""A process on every node of a cluster that tells of it: no node is waited for without end.

The process is told what to run by value, so that it also starts where imgcls is missing or another.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from imgcls import __version__
from imgcls.doctor.findings import Finding

_LOGS = "look into Ray's logs there: /tmp/ray/session_latest/logs"
_GLOO_ADDS = " This is typically caused by"
_LOOK = 0.2  # seconds between looks whether the user wants to end

Look = Callable[[], None]
"""Is called while nodes are waited for; may raise."""


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Place:
    """A node of the cluster.

    Attributes:
        id: Ray's.
        name: as it is shown: host and address.
        address: Ray's, of the node.
        cpus, gpus: that it has for Ray's workers.
    """

    id: str
    name: str
    address: str
    cpus: float
    gpus: int


@dataclass(frozen=True)
class Failure:
    """Why a node gave no answer."""

    why: str
    mend: str

    def finding(self, place: Place) -> Finding:
        """Return it as a finding."""
        return Finding("node", place.name, "error", self.why, self.mend)


def places() -> list[Place]:
    """Return the nodes that are alive and stay, by their addresses."""
    import ray

    from imgcls.on_ray.drain import draining

    leaving = draining()
    alive = [node for node in ray.nodes() if node["Alive"] and node["NodeID"] not in leaving]
    found = [
        Place(
            node["NodeID"],
            f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
            node["NodeManagerAddress"],
            float(node["Resources"].get("CPU", 0)),
            int(node["Resources"].get("GPU", 0)),
        )
        for node in alive
    ]
    found.sort(key=lambda place: (place.address, place.id))
    names = [place.name for place in found]
    # on one host: told apart by Ray's name for them
    return [
        Place(p.id, f"{p.name} {p.id[:8]}", p.address, p.cpus, p.gpus) if names.count(p.name) > 1 else p
        for p in found
    ]


class Agents:
    """A process on each of some nodes, which ends with :func:`agents`.

    Attributes:
        at: node -> handle; nodes that failed are taken out.
        failures: node -> why.
    """

    def __init__(self, where: list[Place], look: Look) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        agent = _agent()
        self.failures: dict[Place, Failure] = {}
        self.at = {
            place: agent.options(
                num_cpus=0,
                max_restarts=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(place.id, soft=False),
            ).remote()
            for place in where
        }
        self._look = look

    def ask(
        self, method: str, seconds: float, of: Mapping[Place, tuple[Any, ...]] | None = None
    ) -> dict[Place, Any]:
        """Return what a method of every agent returns, all at once; who fails is asked nothing more.

        Args:
            method: of the agent.
            seconds: that all of them have.
            of: node -> arguments, of those that are asked; None: all of them, without any.
        """
        import ray

        asked = (
            dict.fromkeys(self.at, ()) if of is None else {place: of[place] for place in of if place in self.at}
        )
        calls = {getattr(self.at[place], method).remote(*words): place for place, words in asked.items()}
        end, left = time.monotonic() + seconds, list(calls)
        found: dict[Place, Any] = {}
        while left and time.monotonic() < end:
            self._look()
            done, left = ray.wait(left, num_returns=len(left), timeout=_LOOK)
            for call in done:
                try:
                    found[calls[call]] = ray.get(call)
                except Exception as error:  # noqa: BLE001 (whatever a node's process meets is told of that node)
                    self._fail(calls[call], _said(error))
        for call in left:
            self._fail(calls[call], _late(method, seconds))
        return {place: found[place] for place in asked if place in found}

    def _fail(self, place: Place, failure: Failure) -> None:
        import ray

        self.failures[place] = failure
        ray.kill(self.at.pop(place))

    def drop(self, place: Place, failure: Failure) -> None:
        """Ask a node nothing more."""
        self._fail(place, failure)

    def check_imgcls(self, seconds: float) -> None:
        """See that each process starts, and finds the imgcls that we are; drop those that do not."""
        for place, about in self.ask("about", seconds).items():
            if about["problem"]:
                mend = f"there: {about['executable']} -m pip install 'imgcls=={__version__}'"
                self.drop(place, Failure(about["problem"], mend))

    def end(self) -> None:
        """End the processes."""
        import ray

        for handle in self.at.values():
            ray.kill(handle)


@contextmanager
def agents(where: list[Place], look: Look = _nothing) -> Iterator[Agents]:
    """Start a process on each node, all at once; they end with this."""
    started = Agents(where, look)
    try:
        yield started
    finally:
        started.end()


def _said(error: Exception) -> Failure:
    import ray

    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, ray.exceptions.RayTaskError) and lines:
        return Failure(lines[-1].partition(_GLOO_ADDS)[0], _LOGS)
    return Failure(f"a process there ended: {lines[0] if lines else type(error).__name__}", _LOGS)


def _late(method: str, seconds: float) -> Failure:
    if method == "about":
        return Failure(
            f"no process starts there within {seconds:.0f} s",
            "look there at memory, disk and Ray's logs (/tmp/ray/session_latest/logs), or take it out: `ray stop`",
        )
    return Failure(
        f"no answer within {seconds:.0f} s", "look there at what holds it up: storage that is away, memory"
    )


def _agent() -> Any:
    """Return the agent's class, made here so that it travels by value: a node may have no imgcls."""
    import ray

    wanted = __version__

    class Agent:
        def about(self) -> dict[str, str]:
            import sys

            return {"executable": sys.executable, "problem": self._problem()}

        def _problem(self) -> str:
            from importlib.metadata import PackageNotFoundError, version

            try:
                import imgcls.doctor.facts  # noqa: F401

                found = version("imgcls")
            except PackageNotFoundError:
                found = "of no version"
            except Exception as error:  # noqa: BLE001 (told to the user)
                return f"imgcls cannot be imported there ({type(error).__name__}: {error})"
            return "" if found == wanted else f"imgcls {found} there, {wanted} here"

        def facts(self, request: dict[str, Any], node: str) -> dict[str, Any]:
            from imgcls.doctor.facts import Request, gather

            return gather(Request.from_json(request), node).to_json()

        def now(self) -> float:
            import time

            return time.time()

        def listen(self, address: str) -> int:
            from imgcls.on_ray.examine_links import Door

            self.door = Door(address)
            return self.door.port

        def reach(self, others: list[tuple[str, int]]) -> list[str]:
            from imgcls.on_ray.examine_links import reach

            return reach(others)

        def look_up(self, address: str) -> float:
            from imgcls.on_ray.examine_links import look_up

            return look_up(address)

        def ready(self) -> int:
            from imgcls.on_ray.examine_links import free_port

            return free_port()

        def reduce(self, address: str, rank: int, size: int, mine: str, seconds: float) -> dict[int, float]:
            from imgcls.on_ray.examine_links import all_reduce

            return all_reduce(address, rank, size, mine, seconds)

    return ray.remote(Agent)
