"""A plugin whose callback notes the samples of every step, and waits at gates: files that a test makes and removes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
from tests.faults.processes import Launch

_MODULE = """
from imgcls import Component, hookimpl


@hookimpl
def imgcls_callbacks():
    return [Component("gated", "gated_parts:gated")]
"""

_PARTS = '''
import json
import os
import time

from imgcls import Callback


class Gated(Callback):
    def run_began(self, run):
        make_step = run._step

        def noting(batch):
            self.note(run, batch.place)
            make_step(batch)

        run._step = noting

    def note(self, run, place):
        """What the batch that is trained on was made of; a step that is made again overwrites it."""
        folder = run.folder.path / "seen"
        folder.mkdir(exist_ok=True)
        rank, world = run.world.rank, run.world.size
        file = folder / f"{place.step}-{rank}.json"
        text = json.dumps({"world": world, "samples": place.samples.tolist(), "passes": run.step.accumulate})
        temporary = folder / f".{place.step}-{rank}-{os.getpid()}"
        temporary.write_text(text)
        temporary.replace(file)

    def step_ended(self, run):
        gate = run.folder.path / f"gate-{run.world.size}-{run.state.step}"
        if gate.exists():
            (run.folder.path / f"at-{gate.name}-{run.world.rank}").touch()
        while gate.exists():
            time.sleep(0.02)


def gated(options):
    return Gated()
'''


def install(folder: Path) -> Path:
    """Write the plugin ``gated`` into a folder for PYTHONPATH, and return the folder."""
    folder.mkdir()
    (folder / "gated.py").write_text(_MODULE)
    (folder / "gated_parts.py").write_text(_PARTS)
    info = folder / "gated-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gated\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        dedent("""\
        [imgcls]
        gated = gated
    """)
    )
    return folder


def gate(run: Path, world: int, step: int) -> Path:
    """Make a gate: so many workers wait after that step until the file is removed."""
    run.mkdir(parents=True, exist_ok=True)
    file = run / f"gate-{world}-{step}"
    file.touch()
    return file


def _makes(launch: Launch, world: int, step: int) -> bool:
    return all((launch.folder / "seen" / f"{step - 1}-{rank}.json").exists() for rank in range(world))


def waits_at(launch: Launch, world: int, step: int) -> None:
    """Wait until so many workers have made that step, and wait at the gate after it.

    One that is cut off within the step would end it after its return, and note the next in the place of who makes it.
    """
    notes = [launch.folder / f"at-gate-{world}-{step}-{rank}" for rank in range(world)]
    launch.wait_for(f"step {step}", lambda: all(note.exists() for note in notes))


def looked(launch: Launch, times: int) -> None:
    """Wait until the watch of rank 0 has looked about so many times more, once a second; also at a gate."""
    note = launch.folder / "logs/places/rank-0.json"
    before = json.loads(note.read_text())["looks"]
    launch.wait_for("the watch", lambda: json.loads(note.read_text())["looks"] >= before + times)


def go_on_until(launch: Launch, gate_now: Path, condition: Callable[[], object]) -> Path:
    """Have workers that wait at a gate make step after step until a condition holds; return the gate then."""
    while not condition():
        _, world, step = gate_now.name.split("-")
        beyond = gate(launch.folder, int(world), int(step) + 1)
        gate_now.unlink()
        gate_now = beyond
        launch.wait_for("a step", lambda: condition() or _makes(launch, int(world), int(step) + 1))  # noqa: B023
    return gate_now


def steps(run: Path, total: int) -> Iterator[tuple[int, list[int], int]]:
    """Yield of each step that counted: number of workers, samples of all of them, passes of each."""
    for step in range(total):
        first = json.loads((run / "seen" / f"{step}-0.json").read_text())
        others = [
            json.loads((run / "seen" / f"{step}-{rank}.json").read_text()) for rank in range(1, first["world"])
        ]
        assert {other["world"] for other in others} <= {first["world"]}, step
        yield first["world"], [s for part in (first, *others) for s in part["samples"]], first["passes"]


def assert_each_sample_once(run: Path, per_epoch: int, epochs: int, samples: int) -> None:
    """The steps that counted used every sample of each epoch exactly once."""
    seen = [found for _, found, _ in steps(run, per_epoch * epochs)]
    for epoch in range(epochs):
        together = [s for found in seen[epoch * per_epoch : (epoch + 1) * per_epoch] for s in found]
        assert np.array_equal(np.sort(together), np.arange(samples)), epoch
