"""Time of ``imgcls tune`` against the same runs alone, one after the other in as many processes at a time.

Run as ``python tests/benchmarks/tune_overhead.py [--trials 4] [--seconds 60] [--rounds 1]``.

Every trial trains fully (scheduler none), on one worker of one CPU. The runs alone have the plans of the trials,
so that the same is computed, with metrics, evaluations and checkpoints, in plain processes without Ray: as many as
the search has trials at a time, each taking the next run when it has ended one. Both sides are timed from the
beginning of their first training to the end of their last: what is before is printed apart. That the last weights
are the same is seen to.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure
from measure import Speed, say

GOAL = 1.15
RECIPE = """
seed = 1
model = "resnet20_cifar"
data = {{ name = "digits", validation = 0.2 }}
optimizer = {{ name = "sgd", lr = 0.05 }}
train = {{ epochs = {epochs}, batch_size = 64 }}

[tune]
scheduler = "none"
search = "random"
trials = {trials}

[tune.space]
"optimizer.lr" = {{ log_uniform = [0.01, 0.1] }}
"""
_TRIED = 3  # epochs, to learn how long one takes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60, help="of a run, about")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--lane", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.lane is not None:
        lane(options.lane)
        return
    measure.header("Search: imgcls tune against the same runs alone, as many at a time")
    with tempfile.TemporaryDirectory(prefix="imgcls-tune-") as name:
        measure.wait_for_quiet(20)
        epochs = epochs_in(Path(name) / "tried", options.seconds)
        at_a_time = min(options.trials, len(os.sched_getaffinity(0)))
        say(f"{options.trials} runs of {epochs} epochs, {at_a_time} at a time")
        ratios = []
        for number in range(options.rounds):
            folder = Path(name) / f"round-{number}"
            measure.wait_for_quiet(20)
            tune, searching = searched(folder, epochs, options.trials)
            measure.wait_for_quiet(20)
            alone, plain = ran_alone(folder, at_a_time)
            same = all(weights(one) == weights(other) for one, other in pairs(folder))
            ratios.append(tune / alone)
            say(
                f"  round {number + 1}: tune {tune:.1f} s ({told(searching)}), alone {alone:.1f} s "
                f"({told(plain)}), weights {'the same' if same else 'DIFFER'}"
            )
    measure.ends([measure.below("tune / alone", ratios, GOAL, unit="times")])


def told(speed: Speed) -> str:
    """Return what a side took of the processors, from its start on, and others meanwhile."""
    return f"{1 / speed.cpu:.1f} CPU s with its start, others {speed.others:.1f} CPUs"


def epochs_in(folder: Path, seconds: float) -> int:
    """Return how many epochs take so long, two runs at a time."""
    searched(folder, _TRIED, 2)
    spent = [span([run])[1] - span([run])[0] for run in runs(folder)]
    return max(2, round(seconds * _TRIED * len(spent) / sum(spent)))


def searched(folder: Path, epochs: int, trials: int) -> tuple[float, Speed]:
    """Run the command; return the seconds from the first training's beginning to the last one's end."""
    folder.mkdir()
    (folder / "recipe.toml").write_text(RECIPE.format(epochs=epochs, trials=trials))
    arguments = ["tune", "recipe.toml", "--cpus-per-worker", "1", "--plain", "--name", "search"]
    log = folder / "output.txt"
    began = time.time()
    with log.open("w") as output:
        process = subprocess.Popen(
            [measure.command("imgcls"), *arguments], stdout=output, stderr=subprocess.STDOUT, cwd=folder
        )
        watch = measure.Watch(process.pid)
        measure.until(process, lambda: is_searched(folder, trials), 36000, log)
        seen = watch.stop(1)
        ended = process.wait()
    if ended:
        raise SystemExit(log.read_text()[-3000:])
    first, last = span(runs(folder))
    say(f"    tune: {first - began:.1f} s before the first training, {time.time() - last:.1f} s after the last")
    return last - first, seen


def is_searched(folder: Path, trials: int) -> bool:
    """Whether all trials have ended."""
    return len(list(folder.glob("runs/search/trials/*/end.json"))) == trials


def ran_alone(folder: Path, at_a_time: int) -> tuple[float, Speed]:
    """Run the same plans in plain processes; return the seconds, as of a search."""
    script = [sys.executable, __file__, "--lane", str(folder)]
    watch = measure.Watch(os.getpid())
    lanes = [subprocess.Popen(script, stdin=subprocess.DEVNULL) for _ in range(at_a_time)]
    codes = [process.wait() for process in lanes]
    if any(codes):
        raise SystemExit("a run alone failed")
    seen = watch.stop(1)
    first, last = span([other for _, other in pairs(folder)])
    return last - first, seen


def lane(folder: Path) -> None:
    """Carry out runs that no other process has begun, until there are none."""
    from imgcls.plan import Plan
    from imgcls.report.events import EventFile
    from imgcls.run_folder import RunFolder
    from imgcls.train import alone, loop  # noqa: F401 (imported before the first run is timed)

    for one, other in pairs(folder):
        run = RunFolder(other)
        try:
            other.mkdir(parents=True)
        except FileExistsError:
            continue  # another process has it
        run.create()
        run.plan.write_text((one / "plan.json").read_text())
        plan = Plan.from_json(run.plan.read_text())
        alone.run(plan, run, EventFile(run.events).write, lambda _at_once, code: sys.exit(code))


def runs(folder: Path) -> list[Path]:
    """Return the folders of a search's runs."""
    return sorted(folder.glob("runs/search/trials/*/run-1"))


def pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Return the folders of a search's runs, each with that of the same run alone."""
    return [(run, folder / "alone" / run.parent.name) for run in runs(folder)]


def span(folders: list[Path]) -> tuple[float, float]:
    """Return when the first of some runs began to train, and when the last had its result: seconds since 1970."""
    told = [measure.events(folder / "events.jsonl") for folder in folders]
    begins = [next(event["time"] for event in events if event["kind"] == "run") for events in told]
    return min(begins), max((folder / "result.json").stat().st_mtime for folder in folders)


def weights(folder: Path) -> bytes:
    """Return the file of a run's last weights."""
    result = json.loads((folder / "result.json").read_text())
    return (folder / result["checkpoint"] / "model.safetensors").read_bytes()


if __name__ == "__main__":
    main()
