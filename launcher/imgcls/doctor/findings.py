"""What was found: a line each, and how it is shown."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["ok", "warning", "error"]

_SHOWN = 4  # different details, or nodes, that one line names
_INDENT = " " * 4


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at on one node.

    Attributes:
        check: what was looked at, such as "memory".
        node: where.
        status: ok; warning: a run works, perhaps not well; error: it would fail or be wrong.
        detail: what is there.
        mend: the command that mends it, or what else to do; empty where all is well.
    """

    check: str
    node: str
    status: Status
    detail: str
    mend: str = ""


def failed(findings: Iterable[Finding]) -> bool:
    """Whether a run would fail or be wrong."""
    return any(finding.status == "error" for finding in findings)


def to_json(findings: Sequence[Finding]) -> str:
    """Return the findings as a JSON array of objects."""
    return json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False)


def lines(findings: Sequence[Finding]) -> Iterator[tuple[Status, str]]:
    """Yield the report a line at a time, each with the status that it tells of; nodes that agree share one."""
    width, everyone = max((len(finding.check) for finding in findings), default=0), _everyone(findings)
    for check in dict.fromkeys(finding.check for finding in findings):
        mine = [finding for finding in findings if finding.check == check]
        good = [finding for finding in mine if finding.status == "ok"]
        if good:
            yield "ok", f"{check:<{width}}  ok       {_nodes(good, everyone)}: {_details(good)}"
        for group in _alike(finding for finding in mine if finding.status != "ok"):
            first = group[0]
            yield first.status, f"{check:<{width}}  {first.status:<7}  {_nodes(group, everyone)}: {first.detail}"
            if first.mend:
                yield first.status, f"{_INDENT}mend: {first.mend}"


def said(findings: Sequence[Finding], status: Status) -> list[str]:
    """Return what has a status in one text each, for a message: what, where, and how it is mended."""
    everyone, texts = _everyone(findings), []
    for group in _alike(finding for finding in findings if finding.status == status):
        first = group[0]
        texts.append(f"{first.check}, {_nodes(group, everyone)}: {first.detail}{first.mend and '; '}{first.mend}")
    return texts


def _alike(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Return those that say the same of different nodes together, in the order that they came."""
    found: dict[tuple[str, str, str, str], list[Finding]] = {}
    for finding in findings:
        what = (finding.check, finding.status, finding.detail, finding.mend)
        found.setdefault(what, []).append(finding)
    return list(found.values())


def _everyone(findings: Iterable[Finding]) -> set[str]:
    """Return the nodes that most was found out about: some checks are about a few, or about this process."""
    by_check: dict[str, set[str]] = {}
    for finding in findings:
        by_check.setdefault(finding.check, set()).add(finding.node)
    return max(by_check.values(), key=len, default=set())


def _nodes(findings: Sequence[Finding], everyone: set[str]) -> str:
    names = list(dict.fromkeys(finding.node for finding in findings))
    if len(names) > 1 and everyone == set(names):
        return f"all {len(names)} nodes"
    if len(names) > _SHOWN and findings[0].status == "ok":
        return f"{len(names)} nodes"
    return ", ".join(names)


def _details(findings: Sequence[Finding]) -> str:
    details = list(dict.fromkeys(finding.detail for finding in findings))
    more = f"; and {len(details) - _SHOWN} more" if len(details) > _SHOWN else ""
    return "; ".join(details[:_SHOWN]) + more
