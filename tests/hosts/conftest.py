"""Clusters of hosts, shared by the tests of a module, which leave them whole."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.faults import gated
from tests.faults.processes import COMMAND, Launch, _link, _pids, _running, imgcls
from tests.faults.recipes import small_steps
from tests.hosts.namespaces import Hosts, hosts, why_not


@dataclass(frozen=True)
class Site:
    """A cluster of hosts, and a folder with the recipe that all of them see."""

    hosts: Hosts
    folder: Path

    def launch(self, workers: str, name: str) -> Launch:
        """Launch on the head's host, with nothing set by hand."""
        arguments = ["launch", "small_steps.toml", "--workers", workers, "--address", self.hosts.address]
        command = self.hosts.head.host.command(COMMAND)
        return Launch([*arguments, "--name", name], self.folder, name=name, command=command)


def begun_again(launch: Launch, since: float, within: float) -> float:
    """Wait until the run has begun once more than now; return the seconds since a moment, at most so many."""
    before = len(launch.events("run"))
    launch.wait_for("the next beginning", lambda: len(launch.events("run")) > before, limit=within)
    took = time.monotonic() - since
    assert took < within, took
    return took


def no_workers(launch: Launch, within: float) -> bool:
    """Whether no worker of a launch is left on any host, at the latest after some seconds."""
    logs = str((launch.folder / "logs/worker-").resolve())
    end = time.monotonic() + within
    while left := [pid for pid in _pids() if _link(pid, "fd/1").startswith(logs) and _running(pid)]:
        assert time.monotonic() < end, left
        time.sleep(0.1)
    return True


@pytest.fixture(scope="session")
def three_on_one_host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run on three workers of this machine, that nothing happened to."""
    folder = tmp_path_factory.mktemp("one-host")
    small_steps(folder)
    arguments = ["launch", "small_steps.toml", "--workers", "3", "--cpus-per-worker", "0.3", "--name", "run"]
    ended = imgcls(*arguments, cwd=folder, limit=600)
    assert ended.code == 0, ended
    return folder / "runs/run"


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A head, with as many CPUs for workers as the module's ``HEAD_CPUS``, and three worker hosts of one each.

    ``SETTINGS`` of the module are variables for all of them, and ``DASHBOARD`` says whether the head has one.
    """
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("hosts")
    small_steps(folder, more='callback = ["gated:gated"]')
    with pytest.MonkeyPatch.context() as patch:
        for name, value in getattr(request.module, "SETTINGS", {}).items():
            patch.setenv(name, value)
        plugin, wanted = gated.install(folder / "plugin"), getattr(request.module, "DASHBOARD", False)
        with hosts(
            patch.setenv, workers=3, head_cpus=request.module.HEAD_CPUS, path=plugin, dashboard=wanted
        ) as found:
            yield Site(found, folder)
