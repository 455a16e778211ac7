"""Starting ranks that talk over gloo."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from imgcls.plan import Plan

_ROOT = Path(__file__).parents[3]


@dataclass
class Job:
    """A plan to train in a run's folder, perhaps only up to a step."""

    plan: Plan
    folder: Path
    stop_after: int | None = None

    def to_json(self):
        return {"plan": self.plan.to_json(), "folder": str(self.folder), "stop_after": self.stop_after}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def train_on(size, jobs, folder):
    """Train on so many ranks, one job after another in the same processes, which must all end well."""
    script, file, port = Path(__file__).with_name("training_rank.py"), folder / f"jobs-{size}.json", free_port()
    file.write_text(json.dumps([job.to_json() for job in jobs]))
    environment = {
        **os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(_ROOT),
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), str(size), str(port), str(file)],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(size)
    ]  # fmt: skip
    try:
        for process in processes:
            _, errors = process.communicate(timeout=800)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
            process.wait()
