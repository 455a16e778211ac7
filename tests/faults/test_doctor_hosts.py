"""``imgcls doctor`` on several hosts, each with its own address: their names, and the ways between them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.faults.processes import COMMAND, Launch
from tests.hosts.namespaces import Host, Hosts, hosts, why_not

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    if reason := why_not():
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("path")
        with hosts(patch.setenv, workers=2, head_cpus=0, path=path) as cluster:
            yield cluster


def _doctor(found: Hosts, folder, code: int) -> list[dict[str, str]]:
    words = ["doctor", "--address", found.address, "--json"]
    with Launch(words, folder, command=found.head.host.command(COMMAND)) as launch:
        ended = launch.ended()
    assert ended.code == code, str(ended)
    return json.loads(ended.out)


def _of(findings: list[dict[str, str]], check: str) -> list[dict[str, str]]:
    return [each for each in findings if each["check"] == check]


@contextmanager
def _apart(*two: Host) -> Iterator[None]:
    """Two hosts that reach every other one, but not each other."""

    def isolate(state: str) -> None:
        for host in two:
            subprocess.run(["bridge", "link", "set", "dev", host._cable, "isolated", state], check=True)

    isolate("on")
    try:
        yield
    finally:
        isolate("off")


def test_hosts_sum_over_the_interfaces_of_their_addresses_whatever_their_names_resolve_to(found, tmp_path):
    findings = _doctor(found, tmp_path, 0)
    assert {each["status"] for each in _of(findings, "interface")} == {"ok"}
    # there may be another of each, for a name server that these hosts do not reach
    names = [each for each in _of(findings, "hostname") if "its own name" in each["detail"]]
    assert len(names) == 3
    assert {each["status"] for each in names} == {"warning"}
    assert "its own name resolves to 127.0.1.1 there" in names[0]["detail"]
    assert "export GLOO_SOCKET_IFNAME=eth0 NCCL_SOCKET_IFNAME=eth0" in names[0]["mend"]
    (connected,), (summed,) = _of(findings, "connections"), _of(findings, "all-reduce")
    assert connected["status"] == summed["status"] == "ok"
    assert "(gloo, 3 nodes)" in summed["detail"]
    assert {each["status"] for each in _of(findings, "clock")} == {"ok"}


def test_two_hosts_that_do_not_reach_each_other_are_named_within_seconds(found, tmp_path):
    first, second = (node.host for node in found.workers)
    began = time.monotonic()
    with _apart(first, second):
        findings = _doctor(found, tmp_path, 1)
    took = time.monotonic() - began
    wrong = {each["node"]: each["detail"] for each in _of(findings, "connections")}
    assert wrong.keys() == {f"{host.name} ({host.address})" for host in (first, second)}
    assert f"cannot reach {second.name} ({second.address})" in wrong[f"{first.name} ({first.address})"]
    assert _of(findings, "all-reduce") == []
    assert took < 90
