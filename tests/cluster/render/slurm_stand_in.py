"""Stand-ins for Slurm's commands: a job's steps as processes of this machine, so that tests need no Slurm."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.render.rendered import executable
from tests.faults.processes import _fields, _pids, _read, _running

_SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do
    case $1 in --nodelist=*) export SLURMD_NODENAME=${1#*=} ;; esac
    shift
done
exec "$@"
"""
_SCONTROL = """#!/bin/bash
case "$1 $2" in
    "show hostnames") tr , '\\n' <<< "$3" ;;
    "show job") echo "JobId=$3 JobState=$STAND_IN_STATE Reason=None" ;;
    requeue*) echo "$2" >> "$STAND_IN_REQUEUED" ;;
esac
"""


class SlurmJob:
    """A batch script that runs as Slurm runs it, in a session of its own.

    Args:
        script: its text.
        folder: where it runs, and what it prints goes.
        nodes: names of its nodes.
        environment: more variables.
        number: of the job; another one's where none is given.
    """

    def __init__(
        self,
        script: str,
        folder: Path,
        nodes: Sequence[str],
        environment: Mapping[str, str] | None = None,
        number: int | None = None,
    ) -> None:
        commands = folder / "slurm"
        executable(commands / "srun", _SRUN)
        executable(commands / "scontrol", _SCONTROL)
        self.number = random.randrange(1_000_000, 9_000_000) if number is None else number
        self.folder = folder
        self._requeued = folder / "requeued"
        self._out = folder / "job.out"
        path = f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        variables = {
            "PATH": path,
            "SLURM_JOB_ID": str(self.number),
            "SLURM_JOB_NODELIST": ",".join(nodes),
            "SLURMD_NODENAME": nodes[0],
            "STAND_IN_STATE": "RUNNING",
            "STAND_IN_REQUEUED": str(self._requeued),
            "TMPDIR": str(folder),
        }
        with self._out.open("a") as out:
            self.process = subprocess.Popen(
                ["bash", "-c", script],
                cwd=folder,
                env={**os.environ, **variables, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        """What it has printed."""
        return self._out.read_text()

    @property
    def requeued(self) -> int:
        """How often it was queued again."""
        return self._requeued.read_text().count(str(self.number)) if self._requeued.exists() else 0

    def told_to_stop(self) -> None:
        """SIGTERM to the script alone, as ``--signal=B:TERM`` has Slurm send it."""
        self.process.send_signal(signal.SIGTERM)

    def ended(self, limit: float = 60.0) -> int:
        """Wait for the end; nothing of the job may be left then."""
        try:
            code = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end in {limit:.0f} s: {self.out}") from None
        end = time.monotonic() + 30
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.1)
        assert not left, [_read(pid, "cmdline").replace(b"\0", b" ") for pid in left]
        assert not list(Path("/tmp").glob(f"imgcls-{self.number}.*"))
        assert not list(self.folder.glob("tmp.*"))
        return code

    def processes(self) -> list[int]:
        """The processes of the job's session."""
        mine = str(self.process.pid)
        return [pid for pid in _pids() if (fields := _fields(pid)) and fields[3] == mine and _running(pid)]

    def command_lines(self) -> list[bytes]:
        """The arguments of each process of the job, as everyone on the machine sees them."""
        return [line for pid in self.processes() if (line := _read(pid, "cmdline"))]

    def kill(self) -> None:
        """End whatever is left, as Slurm would."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
