"""What a machine has left: memory, /dev/shm, open files, disk, GPUs. Numbers are bytes."""

import resource
import shutil
import subprocess
from pathlib import Path

Room = dict[str, int]

_CGROUP = Path("/sys/fs/cgroup")
_PATIENCE = 15.0  # seconds for nvidia-smi, which wakes sleeping GPUs
_ASKED = "name,driver_version,memory.total,memory.free"


def memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = _CGROUP) -> Room:
    """Return what is free and there in all: of the machine, or of the container where that is less."""
    try:
        rows = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        found = {
            "free": int(rows["MemAvailable"].split()[0]) * 1024,
            "total": int(rows["MemTotal"].split()[0]) * 1024,
        }
    except (OSError, ValueError, KeyError):
        return {}
    limit = _limit(cgroup)
    if limit and limit["total"] < found["total"]:
        return {"free": max(0, min(found["free"], limit["free"])), "total": limit["total"]}
    return found


def _limit(cgroup: Path) -> Room:
    """Return the container's memory (cgroup v2); what the kernel keeps of files there it gives back when asked."""
    try:
        most = int((cgroup / "memory.max").read_text())  # "max": no limit
        used = int((cgroup / "memory.current").read_text())
        rows = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        kept = int(rows["active_file"]) + int(rows["inactive_file"])
    except (OSError, ValueError, KeyError):
        return {}
    return {"free": most - used + kept, "total": most}


def disk(path: Path) -> Room:
    """Return the room on the file system of a path, or of the folder above that it will be made in."""
    place = next((each for each in (path, *path.absolute().parents) if each.exists()), Path("/"))
    try:
        usage = shutil.disk_usage(place)
    except OSError:
        return {}
    return {"free": usage.free, "total": usage.total}


def shared_memory() -> Room:
    """Return the room in /dev/shm; empty: there is none."""
    place = Path("/dev/shm")  # noqa: S108 (not a temporary file: its room is asked for)
    return disk(place) if place.is_dir() else {}


def open_files() -> Room:
    """Return how many files this process may have open now, ``soft``, and at most, ``hard``; -1: any number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {"soft": soft, "hard": hard}


def gpus() -> tuple[list[dict[str, str | int]], str]:
    """Return each GPU's name, driver, memory in all and free, and what nvidia-smi complains of.

    No nvidia-smi: no GPU, and nothing to complain of.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return [], ""
    command = [program, f"--query-gpu={_ASKED}", "--format=csv,noheader,nounits"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return [], f"nvidia-smi does not answer in {_PATIENCE:.0f} s"
    except OSError as error:
        return [], f"nvidia-smi cannot be started: {error.strerror}"
    if ended.returncode:
        return [], " ".join((ended.stdout + ended.stderr).split()) or f"nvidia-smi ended with {ended.returncode}"
    try:
        return [_gpu(line) for line in ended.stdout.splitlines() if line.strip()], ""
    except ValueError:
        return [], f"nvidia-smi answers in an unknown way: {ended.stdout.splitlines()[0]}"


def _gpu(line: str) -> dict[str, str | int]:
    name, driver, total, free = (part.strip() for part in line.rsplit(",", 3))
    return {"name": name, "driver": driver, "total": _mebibytes(total), "free": _mebibytes(free)}


def _mebibytes(text: str) -> int:
    """Return bytes; 0 where the GPU shares the machine's memory or is divided, and nvidia-smi says [N/A]."""
    return int(text) << 20 if text.isascii() and text.isdigit() else 0
