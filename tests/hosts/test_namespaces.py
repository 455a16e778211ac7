"""The hosts themselves: cables that can be cut, and nothing that stays on the machine."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.hosts.namespaces import remove_stale, why_not

_MAKES_TWO = """
import os, socket, subprocess, sys
from pathlib import Path
from tests.hosts.namespaces import Host, bridge

def reaches(host, other):
    ask = "import socket, sys; socket.create_connection((sys.argv[1], 1), 1.0)"
    told = subprocess.run(host.command(sys.executable, "-c", ask, other.address), capture_output=True, text=True)
    return "refused" in told.stderr  # by a kernel that is there

network, folder = bridge(), Path(sys.argv[1])
one, two = Host(1, network, folder), Host(2, network, folder)
print(os.getpid(), reaches(one, two))
two.cut()
print(reaches(one, two))
two.mend()
print(reaches(one, two), flush=True)
os.kill(os.getpid(), 9)
"""


def _listed() -> str:
    commands = (["ip", "netns", "list"], ["ip", "-brief", "link"])
    return "".join(subprocess.run(c, capture_output=True, text=True, check=True).stdout for c in commands)


@pytest.fixture(autouse=True)
def _possible():
    if reason := why_not():
        pytest.skip(reason)


def test_a_cable_is_cut_and_mended_and_what_a_killed_process_leaves_is_removed(tmp_path):
    root = Path(__file__).parents[2]
    # what it leaves keeps its standard error, whose end would never come
    command = [sys.executable, "-c", _MAKES_TWO, tmp_path]
    made = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    assert made.returncode == -9
    process, *reached = made.stdout.split()
    assert reached == ["True", "False", "True"]
    assert f"imgcls-{process}-2" in _listed()
    remove_stale()
    assert process not in _listed()
