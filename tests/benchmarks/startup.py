"""Seconds from the command: ``imgcls --help``, and to the first training step without Ray and on two workers.

Run as ``python tests/benchmarks/startup.py [--helps 10] [--launches 3]``.
"""

import argparse
import re
import statistics
import subprocess
import tempfile
import time

import measure
from measure import say

GOALS = {0: 6.0, 2: 20.0}  # workers: seconds to the first step
# one epoch: the run must end, because --timings is printed then
SHORT = ["--set", "train.epochs=1", "--set", "schedule.warmup_epochs=0"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--helps", type=int, default=10)
    parser.add_argument("--launches", type=int, default=3)
    parser.add_argument("--recipe", default="digits_lenet")
    options = parser.parse_args()
    measure.header("Start: imgcls --help, and imgcls launch up to the first step")
    helps, bare = [], []
    for _ in range(options.helps):
        helps.append(seconds([measure.command("imgcls"), "--help"]))
        bare.append(seconds([measure.command("python"), "-c", "pass"]))
    reached = [measure.below("imgcls --help", helps, 0.3)]
    say(f"  python -c pass, in between: median {statistics.median(bare):.3f} s")
    tables: dict[int, list[dict[str, float]]] = {workers: [] for workers in GOALS}
    for number in range(options.launches):
        for workers, found in tables.items():
            busy = measure.load()
            found.append(phases(options.recipe, workers))
            say(f"  launch {number + 1}, {workers} workers: {found[-1]['first step']:.2f} s   (load {busy})")
    for workers, found in tables.items():
        say()
        name = f"{options.recipe} --workers {workers}, command to first step"
        reached.append(measure.below(name, [table["first step"] for table in found], GOALS[workers]))
        before = 0.0
        for phase in found[0]:
            end = statistics.median([table[phase] for table in found if phase in table])
            say(f"  {phase:<32}{end - before:>7.2f} s, ends at {end:>6.2f} s (medians)")
            before = end
    measure.ends(reached)


def seconds(arguments: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True)
    return time.perf_counter() - began


def phases(recipe: str, workers: int) -> dict[str, float]:
    """Return when each phase ended, in seconds since the command, from the table that --timings prints."""
    with tempfile.TemporaryDirectory(prefix="imgcls-startup-") as storage:
        launch = [measure.command("imgcls"), "launch", recipe, "--workers", str(workers), *SHORT]
        launch += ["--storage", storage, "--plain", "--timings"]
        ended = subprocess.run(launch, capture_output=True, text=True, timeout=300)
    if ended.returncode:
        raise SystemExit(f"{ended.stdout}\n{ended.stderr}")
    rows = re.findall(r"^(\S.*?)\s+-?\d+\.\d\d\s+(\d+\.\d\d)$", ended.stdout, re.MULTILINE)
    table = {name: float(end) for name, end in rows}
    if "first step" not in table:
        raise SystemExit(f"no line 'first step' in:\n{ended.stdout}")
    return table


if __name__ == "__main__":
    main()
