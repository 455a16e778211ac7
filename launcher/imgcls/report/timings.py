"""Where the time from the command to the first step goes."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

Phase = tuple[str, float]  # its name, and when it ended in seconds since 1970


def process_started() -> float:
    """Return when this process began, in seconds since 1970."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        ticks = float(fields[19])  # starttime, the 22nd field, in clock ticks after boot
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return time.time()


def table(start: float, phases: Sequence[Phase]) -> str:
    """Return lines of phase, its seconds, and seconds since the command began."""
    lines = [f"{'phase':<32}{'seconds':>9}{'since start':>13}"]
    before = start
    for name, end in sorted(phases, key=lambda phase: phase[1]):
        lines.append(f"{name:<32}{end - before:>9.2f}{end - start:>13.2f}")
        before = end
    return "\n".join(lines)
