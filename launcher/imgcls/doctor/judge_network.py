"""What the facts of nodes say of how they reach each other: pure functions from facts to findings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from imgcls.doctor.facts import Facts
from imgcls.doctor.findings import Finding
from imgcls.doctor.names import Names

_SKEW_NOTED, _SKEW_WRONG = 1.0, 30.0  # seconds
_LONG_LOOK_UP = 1.0  # seconds
_SETS = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


@dataclass(frozen=True)
class Reached:
    """A node as others reach it.

    Attributes:
        name: as it is shown.
        address: Ray's, of the node.
        facts: what it tells of itself.
        clock: seconds that its clock is ahead of ours, and how far that may be off; None: not measured.
    """

    name: str
    address: str
    facts: Facts
    clock: tuple[float, float] | None = None


@dataclass(frozen=True)
class Exchange:
    """What came of an all-reduce among all nodes.

    Attributes:
        unreached: (from, to, why) of connections that could not be made.
        speeds: megabytes of the tensor -> megabytes a second of it that all nodes summed.
        failures: node -> what went wrong there.
    """

    unreached: Sequence[tuple[str, str, str]] = ()
    speeds: Mapping[int, float] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)


def judged_network(nodes: Sequence[Reached]) -> list[Finding]:
    """Return what is to be said of nodes' names, interfaces, clocks and tokens."""
    several = len({node.address for node in nodes}) > 1
    found: list[Finding] = []
    for node in nodes:
        found += [*_interface(node, several), *_hostname(node, several), *_clock(node), *_token(node, several)]
    return found


def judged_token(name: str, facts: Facts) -> list[Finding]:
    """Return what is to be said of the token on one node: whether others may read it."""
    return [*_token_file(name, facts)]


def _interface(node: Reached, several: bool) -> Iterator[Finding]:
    names = node.facts.names
    mine = next((name for name, address in names.interfaces.items() if address == node.address), None)
    if mine is None:
        detail = f"Ray knows it as {node.address}, which none of its interfaces has ({_listed(names)})"
        mend = "start Ray there with --node-ip-address and an address of its own"
        yield Finding("interface", node.name, "error", detail, mend)
        return
    wrong = dict(_wrongly_picked(names, several))
    for variable, why in wrong.items():
        mend = f"unset {variable} there before `ray start`, or set it to {mine}"
        yield Finding("interface", node.name, "error", f"{variable} = {names.picked[variable]}, {why}", mend)
    if not wrong:
        others = [name for name in names.interfaces if name not in (mine, "lo")]
        more = f"; others: {', '.join(others)}" if others else ""
        sets = f"; a run sets {' and '.join(_SETS)} to it" if several else ""
        yield Finding("interface", node.name, "ok", f"{mine} has Ray's address{more}{sets}")


def _wrongly_picked(names: Names, several: bool) -> Iterator[tuple[str, str]]:
    for variable, value in names.picked.items():
        picked = [each for each in names.interfaces if _is_meant(variable, value, each)]
        if not picked:
            yield variable, f"and there is no such interface ({_listed(names)})"
        elif several and all(names.interfaces[each].startswith("127.") for each in picked):
            yield variable, "which other hosts do not reach"


def _is_meant(variable: str, value: str, interface: str) -> bool:
    """Whether a value picks an interface: gloo wants exact names, NCCL prefixes, =exact names or ^others."""
    if value.startswith("^"):
        return not any(interface.startswith(each) for each in value[1:].split(","))
    exact = value.startswith("=") or variable.startswith("GLOO")
    wanted = value.removeprefix("=").split(",")
    return any(interface == each or (not exact and interface.startswith(each)) for each in wanted)


def _listed(names: Names) -> str:
    return ", ".join(f"{name} {address}" for name, address in names.interfaces.items()) or "none"


def _hostname(node: Reached, several: bool) -> Iterator[Finding]:
    names = node.facts.names
    if not several:
        return
    mine = next((name for name, address in names.interfaces.items() if address == node.address), "")
    if names.resolves == node.address or set(names.picked) >= set(_SETS):
        yield Finding("hostname", node.name, "ok", "its own name is Ray's address, or does not matter")
        return
    what = f"resolves to {names.resolves}" if names.resolves else "does not resolve"
    detail = f"its own name {what} there; imgcls's runs do not mind, torchrun does"
    sets = " ".join(f"{name}={mine}" for name in _SETS)
    yield Finding("hostname", node.name, "warning", detail, f"for other programs there: export {sets}")


def _clock(node: Reached) -> Iterator[Finding]:
    if node.clock is None:
        return
    ahead, bound = node.clock
    surely = max(0.0, abs(ahead) - bound)
    detail = f"{_seconds(abs(ahead))} {'ahead' if ahead >= 0 else 'behind'}, within {_seconds(bound)}"
    if surely < _SKEW_NOTED:
        yield Finding("clock", node.name, "ok", f"less than {_seconds(_rounded(abs(ahead) + bound))} off")
        return
    status = "error" if surely >= _SKEW_WRONG else "warning"
    yield Finding("clock", node.name, status, detail, "there: timedatectl set-ntp true, or chronyc makestep")  # type: ignore[arg-type]


def _rounded(seconds: float) -> float:
    """Return a limit that agreeing nodes share."""
    return next(limit for limit in (0.01, 0.1, 1.0, float("inf")) if seconds <= limit or limit > 1)


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _token(node: Reached, several: bool) -> Iterator[Finding]:
    token = node.facts.token
    if several and not token.on:
        detail = "Ray asks for no token: who reaches its ports can run anything"
        mend = "on every node: RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to one file's copy, before `ray start`"
        yield Finding("token", node.name, "warning", detail, mend)
    else:
        yield from _token_file(node.name, node.facts)


def _token_file(name: str, facts: Facts) -> Iterator[Finding]:
    token = facts.token
    if token.open_to:
        detail = f"{token.source} can be read by {token.open_to}"
        yield Finding("token", name, "warning", detail, f"chmod 600 {token.source}")
    elif token.on:
        yield Finding("token", name, "ok", f"from {token.source}" if token.source else "asked for")


def judged_look_ups(seconds: Mapping[str, float]) -> list[Finding]:
    """Return what is to be said of how long nodes take to look up the name of an address: node -> seconds."""
    mend = "add the nodes' addresses and names to /etc/hosts there, or mend the name server in /etc/resolv.conf"
    return [
        Finding(
            "hostname",
            node,
            "warning",
            "to look up the name of another node's address takes seconds, which each start of workers waits for",
            mend,
        )
        for node, took in seconds.items()
        if took > _LONG_LOOK_UP
    ]


def judged_exchange(nodes: Sequence[str], exchange: Exchange) -> list[Finding]:
    """Return what is to be said of an all-reduce among nodes."""
    if exchange.unreached:
        return [
            Finding(
                "connections", start, "error", f"cannot reach {end}: {why}", "open all TCP ports between the nodes"
            )
            for start, end, why in exchange.unreached
        ]
    connected = Finding("connections", "all nodes", "ok", f"each of {len(nodes)} reaches each")
    if exchange.failures:
        mend = "look at the interfaces above; GLOO_SOCKET_IFNAME names the one to use"
        return [
            connected,
            *(Finding("all-reduce", node, "error", why, mend) for node, why in exchange.failures.items()),
        ]
    if not exchange.speeds:
        return [connected]
    speeds = ", ".join(f"{size} MB at {speed:,.0f} MB/s" for size, speed in exchange.speeds.items())
    return [connected, Finding("all-reduce", "all nodes", "ok", f"{speeds} (gloo, {len(nodes)} nodes)")]
