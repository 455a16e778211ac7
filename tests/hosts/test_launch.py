"""P1 on several hosts: each with an address of its own, and a name that resolves to where only it can be reached."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults import gated
from tests.faults.processes import assert_same_end, imgcls
from tests.faults.recipes import EPOCHS, STEPS
from tests.hosts.conftest import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HEAD_CPUS = 1
_SAMPLES = 1438


def _log(run: Path, rank: int) -> str:
    return (run / f"logs/worker-{rank}.log").read_text()


def test_a_host_cannot_be_reached_by_what_its_own_name_resolves_to(site: Site):
    host = site.hosts.workers[0].host
    code = "import socket; name = socket.gethostname(); print(name, socket.gethostbyname(name))"
    told = subprocess.run(host.command(sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert told.stdout.split() == [host.name, "127.0.1.1"]
    assert host.name != socket.gethostname()


def test_four_hosts_train_as_one_does_to_the_last_bit(site: Site):
    arguments = ["launch", "small_steps.toml", "--workers", "4", "--cpus-per-worker", "0.25", "--name", "one"]
    one = imgcls(*arguments, cwd=site.folder, path=site.folder / "plugin", limit=600)
    assert one.code == 0, one
    with site.launch("4", "four") as launch:
        ended = launch.ended(limit=600)
        launch.nothing_left(within=15)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    assert_same_end(site.folder / "runs/one", launch.folder)
    gated.assert_each_sample_once(launch.folder, STEPS, EPOCHS, _SAMPLES)
    steps = list(gated.steps(launch.folder, STEPS * EPOCHS))
    assert steps == list(gated.steps(site.folder / "runs/one", STEPS * EPOCHS))
    assert {world for world, _, _ in steps} == {4}
