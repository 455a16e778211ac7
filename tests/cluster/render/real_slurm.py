"""Slurm on this machine for a test: munged, slurmctld and slurmd of Debian's packages, with files and ports of their own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_DAEMONS = ("munged", "slurmctld", "slurmd")
_LIMIT = 60.0  # seconds for a daemon to answer


def missing() -> str:
    """Why Slurm cannot be started here; empty where it can."""
    absent = [name for name in (*_DAEMONS, "sbatch") if _found(name) is None]
    if absent:
        return f"{', '.join(absent)} not installed (apt-get install slurm-wlm munge)"
    return "" if os.geteuid() == 0 else "slurmd must be root's"


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Run Slurm with one node, this machine; yields the environment in which its commands reach it."""
    with ExitStack() as ending:
        environment = {**os.environ, "SLURM_CONF": str(_configured(folder))}
        _keyed(folder)
        options = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
        munged = [str(_found("munged")), "--foreground", "--force", f"--socket={folder}/munge.socket", *options]
        for command in (munged, [str(_found("slurmctld")), "-D"], [str(_found("slurmd")), "-D"]):
            ending.enter_context(_running(command, environment, folder))
        _wait_for_node(environment)
        yield environment


def _found(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def _keyed(folder: Path) -> None:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)


def _configured(folder: Path) -> Path:
    host = socket.gethostname().partition(".")[0]
    ports = [_free_port(), _free_port()]
    for name in ("state", "spool"):
        (folder / name).mkdir()
    path = folder / "slurm.conf"
    path.write_text(f"""
ClusterName=imgcls
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
KillWait=60
OverTimeLimit=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={len(os.sched_getaffinity(0))} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
""")
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[None]:
    log = folder / f"{Path(command[0]).name}.out"
    with log.open("w") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        time.sleep(1)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_for_node(environment: dict[str, str]) -> None:
    end = time.monotonic() + _LIMIT
    while "idle" not in (told := _sinfo(environment)):
        assert time.monotonic() < end, told
        time.sleep(0.5)


def _sinfo(environment: dict[str, str]) -> str:
    asked = subprocess.run(
        ["sinfo", "--noheader", "--format=%T"], env=environment, capture_output=True, text=True, check=False
    )
    return asked.stdout + asked.stderr
