import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# starts a child with a file open in a folder, one without, guards the folder, and says both numbers
_OWNER = """
import subprocess, sys, time
from pathlib import Path
from imgcls.on_ray.processes import guarded

folder = Path(sys.argv[1])
wait = [sys.executable, "-c", "import time; time.sleep(60)"]
mine = open(folder / "of the owner", "w")
with guarded(folder):
    holder = subprocess.Popen(wait, stdout=open(folder / "log", "w"))
    other = subprocess.Popen(wait, stdout=subprocess.DEVNULL)
    print(holder.pid, other.pid, flush=True)
    if sys.argv[2] == "hang":
        time.sleep(60)
print("came to its end", flush=True)
"""


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _gone(process: int) -> bool:
    end = time.monotonic() + 5
    while _alive(process) and time.monotonic() < end:
        time.sleep(0.02)
    return not _alive(process)


@pytest.mark.parametrize("killed", [False, True])
def test_what_has_a_file_open_in_the_folder_ends_with_its_owner_and_nothing_else_does(tmp_path, killed):
    folder, beside = tmp_path / "session", tmp_path / "session beside"
    folder.mkdir()
    beside.mkdir()
    script = [sys.executable, "-c", _OWNER, str(folder), "hang" if killed else "end"]
    with (beside / "log").open("w") as log:
        bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=log)
    owner = subprocess.Popen(script, stdout=subprocess.PIPE, text=True)
    holder, other = map(int, owner.stdout.readline().split())
    try:
        if killed:
            owner.kill()
        assert owner.wait(20) == (-signal.SIGKILL if killed else 0)
        assert owner.stdout.read() == ("" if killed else "came to its end\n")
        assert _gone(holder)
        assert _alive(other)
        assert bystander.poll() is None
    finally:
        os.kill(other, signal.SIGKILL)
        bystander.kill()
        bystander.wait()
