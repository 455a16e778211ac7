"""Steps a second: ``imgcls launch`` against a bare script (bare_ddp.py), in one process and on two workers.

Run as ``python tests/benchmarks/steps.py [--models resnet18 ...] [--workers 0 2] [--rounds 4] [--seconds 10]``.

Each round runs the real command, from Fashion-MNIST's files through DALI with metrics, then the bare script:
``--workers 0`` against a plain loop, ``--workers 2``, which is Ray Train, against torchrun and DDP. Both sides have
the same model, batch, optimizer, DDP settings and torch threads: one a worker, all CPUs in one process.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure
from measure import Speed, say

GOALS = {0: 0.98, 2: 0.97}  # workers: the ratio of steps a second
RECIPE = """
seed = 1
model = "{model}"
data = "fashion_mnist"
input = {{ size = {size}, channels = {channels}, mean = [0.286], std = [0.353] }}
optimizer = {{ name = "sgd", lr = 0.01, weight_decay = 5e-4 }}
schedule = {{ name = "cosine", warmup_epochs = 0.5 }}
train = {{ epochs = 1000, batch_size = {batch}, last_batch = "drop", evaluate_every = 1000 }}

[[augment]]
name = "horizontal_flip"
"""
# model: size in pixels, channels, global batch
CASES = {"resnet18": (32, 1, 64), "resnet20_cifar": (28, 1, 128), "lenet5_28": (28, 1, 128)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--workers", nargs="+", type=int, default=list(GOALS), choices=list(GOALS))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10, help="timed in each run")
    parser.add_argument("--warm-up", type=float, default=2.5, help="seconds that are not timed")
    parser.add_argument("--plain-ddp", action="store_true", help="DDP's defaults on the bare side")
    options = parser.parse_args()
    measure.header("Steps: imgcls launch against a bare loop, and against bare torchrun DDP")
    reached = []
    for model in options.models:
        for workers in options.workers:
            size, channels, batch = CASES[model]
            say(
                f"\n{model}, {size}x{size} pixels, {channels} channel(s), global batch {batch}, "
                f"{processes(workers)}; {options.seconds:g} s timed after a warm-up"
            )
            sides: dict[str, Callable[[], Speed]] = {
                "imgcls": lambda m=model, w=workers: launched(m, w, options.seconds, options.warm_up),
                "bare": lambda m=model, w=workers: bare(m, w, options.seconds, options.plain_ddp),
            }
            found = measure.in_turn(sides, options.rounds, "steps/s")
            reached.append(measure.ratio(found, "imgcls", "bare", GOALS[workers]))
    measure.ends(reached)


def processes(workers: int) -> str:
    """Return where a side trains, in words."""
    if workers:
        return f"{workers} processes with 1 torch thread each"
    return f"in one process with {threads(0)} torch threads"


def threads(workers: int) -> int:
    """Return torch's threads in each process: those that ``imgcls launch`` takes on this machine."""
    return 1 if workers else len(os.sched_getaffinity(0))


def launched(model: str, workers: int, seconds: float, warm_up: float) -> Speed:
    """Run the command until enough steps are made, then press Ctrl-C; there are checkpoints, but no evaluation."""
    size, channels, batch = CASES[model]
    folder = Path(tempfile.mkdtemp(prefix="imgcls-steps-"))
    recipe, log = folder / "recipe.toml", folder / "output.txt"
    recipe.write_text(RECIPE.format(model=model, size=size, channels=channels, batch=batch))
    share = ["--cpus-per-worker", "1"] if workers else []
    arguments = [
        "launch",
        str(recipe),
        *share,
        "--workers",
        str(workers),
        "--storage",
        str(folder),
        "--name",
        "run",
    ]
    with log.open("w") as output:
        process = subprocess.Popen(
            [measure.command("imgcls"), *arguments], stdout=output, stderr=subprocess.STDOUT, cwd=folder
        )
    try:
        window = Window(folder / "run/events.jsonl", warm_up, seconds, process.pid)
        measure.until(process, window.ended, 120 + 3 * (warm_up + seconds), log)
    finally:
        measure.interrupt(process)
    shutil.rmtree(folder)
    assert window.speed is not None
    return window.speed


class Window:
    """The steps between two events of rank 0 that tell of progress, by the events' own clock."""

    def __init__(self, path: Path, warm_up: float, seconds: float, process: int) -> None:
        self.path, self.warm_up, self.seconds, self.process = path, warm_up, seconds, process
        self.speed: Speed | None = None
        self._from: dict[str, Any] = {}
        self._watch: measure.Watch | None = None

    def ended(self) -> bool:
        """Look at the file, and say whether enough has been seen."""
        told = [event for event in measure.events(self.path) if event["kind"] in ("step", "progress")]
        if not told:
            return False
        if self._watch is None:
            if told[-1]["time"] - told[0]["time"] > self.warm_up:
                self._from, self._watch = told[-1], measure.Watch(self.process)
            return False
        wall = told[-1]["time"] - self._from["time"]
        if wall < self.seconds:
            return False
        self.speed = self._watch.stop(told[-1]["step"] - self._from["step"], wall)
        return True


def bare(model: str, workers: int, seconds: float, plain_ddp: bool) -> Speed:
    size, channels, batch = CASES[model]
    script = Path(__file__).with_name("bare_ddp.py")
    arguments: list[Any] = ["--model", model, "--size", size, "--channels", channels, "--batch", batch]
    arguments += ["--threads", threads(workers), "--seconds", seconds, *(["--plain-ddp"] if plain_ddp else [])]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads(workers)), "GLOO_SOCKET_IFNAME": "lo"}
    torchrun = [measure.command("torchrun"), "--standalone", "--nproc-per-node", str(workers)]
    started = subprocess.run(
        [*(torchrun if workers else [sys.executable]), str(script), *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if started.returncode:
        raise SystemExit(started.stderr[-3000:])
    return Speed(**json.loads(started.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
