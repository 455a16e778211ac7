"""What a checkpoint costs training: how long it is held up, and how much slower steps are while files are written.

Run as ``python tests/benchmarks/checkpoint_pause.py [--optimizers sgd adamw] [--checkpoints 8] [--every 10]``.

A real run in this process: ResNet-18 on digits as 32x32 pixels, through DALI, with checkpoints on this machine's
disk. Both figures are shares of the time of 100 steps between which nothing is written. Here the writing and hashing
compete with training for the same cores; beside a GPU they do not.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import measure
from measure import say

_INTERVAL = 100  # steps between checkpoints, whose time is what the pause is a share of
RECIPE = """
seed = 1
model = "resnet18"
data = "digits"
input = {{ size = 32, channels = 1, mean = [0.3], std = [0.4] }}
optimizer = {{ name = "{optimizer}", lr = 0.001 }}
train = {{ epochs = {epochs}, batch_size = {batch}, last_batch = "drop", evaluate_every = {epochs}, log_every = 1000 }}
checkpoint = {{ every_steps = {every}, every_epochs = 1000 }}
"""


@dataclass
class Times:
    """Of one run.

    Attributes:
        held: seconds of each checkpoint that training waited for it.
        quiet, busy: seconds of each step while no file was written, and while some were.
    """

    held: list[float] = field(default_factory=list)
    quiet: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--optimizers", nargs="+", default=["sgd", "adamw"], choices=["sgd", "adamw"])
    parser.add_argument("--checkpoints", type=int, default=8)
    parser.add_argument("--every", type=int, default=10, help="steps between them")
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    measure.header("Checkpoints: what they cost training")
    reached = []
    for optimizer in options.optimizers:
        with tempfile.TemporaryDirectory(prefix="imgcls-checkpoints-") as folder:
            times, size = trained(Path(folder), optimizer, options)
        reached.append(report(optimizer, times, size))
    measure.ends(reached)


def report(optimizer: str, times: Times, size: float) -> bool:
    """Print one run's figures; return whether the goal is reached."""
    step = statistics.median(times.quiet)
    hundred = _INTERVAL * step
    slower = sum(seconds - step for seconds in times.busy) / len(times.held)
    say(f"\nresnet18 with {optimizer}, {size / 1e6:.0f} MB a checkpoint; a step takes {1000 * step:.0f} ms")
    say(
        f"  steps while files are written: {len(times.busy)}, median {1000 * statistics.median(times.busy):.0f} ms"
    )
    say(
        f"  all of them for one checkpoint take {slower:.3f} s longer, {100 * slower / hundred:.2f} % of 100 steps"
    )
    shares = [100 * seconds / hundred for seconds in times.held]
    measure.below(f"  held up by a checkpoint ({_INTERVAL} steps: {hundred:.1f} s)", times.held, 0.05 * hundred)
    return measure.below("  the same, share of 100 steps", shares, 5, "%")


def trained(folder: Path, optimizer: str, options: argparse.Namespace) -> tuple[Times, float]:
    """Train, and return the times and the bytes of a checkpoint."""
    from imgcls.cli.preparation import planned
    from imgcls.run_folder import RunFolder
    from imgcls.train.loop import Run
    from imgcls.train.world import World

    per_epoch = 1438 // options.batch
    epochs = -(-options.every * (options.checkpoints + 1) // per_epoch)
    recipe = folder / "recipe.toml"
    recipe.write_text(
        RECIPE.format(optimizer=optimizer, epochs=epochs, batch=options.batch, every=options.every),
        encoding="utf-8",
    )
    run_folder = RunFolder(folder / "run")
    run_folder.create()
    run = Run(planned(str(recipe), (), folder), run_folder, World())
    times = timed(run)
    try:
        run.to_the_end()
    finally:
        run.close()
    newest = max(run_folder.checkpoints.glob("step-*"))
    return times, sum(path.stat().st_size for path in newest.iterdir())


def timed(run: "Run") -> Times:  # noqa: F821 (imported late, with torch)
    """Time the steps and checkpoints of a run, and return where the figures will be."""
    times = Times()
    save, step = run._save, run._step

    def timed_save() -> None:
        began = time.perf_counter()
        save()
        times.held.append(time.perf_counter() - began)

    def timed_step(batch: object) -> None:
        writing = run.checkpoints._writer._thread is not None
        began = time.perf_counter()
        step(batch)
        # the first steps allocate, and are no measure of anything
        if run.state.step > 5:
            (times.busy if writing else times.quiet).append(time.perf_counter() - began)

    run._save, run._step = timed_save, timed_step
    return times


if __name__ == "__main__":
    main()
