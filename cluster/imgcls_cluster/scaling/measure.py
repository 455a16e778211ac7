"""Measures steps of real launches on this machine, on few workers."""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imgcls.errors import UserError
from imgcls.report.events import Event, EventFollower
from imgcls.run_folder import RunFolder
from imgcls_cluster.scaling.fit import Measurement

_WARM_UP = 3.0  # seconds of training that are not timed
_FEWEST = 4  # looks at the progress that make a measurement
_PATIENCE = 300.0  # seconds from the start to the end of a measurement, beside what is timed
_STOPPING = 60.0  # seconds for a launch to end at Ctrl-C
_POLL = 0.02
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class _Window:
    """The part of a run that is timed: it begins after the warm-up."""

    session: int
    seconds: float
    told: list[Event] = field(default_factory=list)
    cpu: float = 0.0
    _begun: float | None = None
    _cpu_before: float = 0.0

    def take(self, event: Event) -> None:
        """Take note of a run's progress."""
        if self._begun is None:
            self._begun = event["time"]
        if event["time"] - self._begun < _WARM_UP:
            return
        if not self.told:
            self._cpu_before = _cpu_seconds(self.session)
        self.told.append(event)
        self.cpu = _cpu_seconds(self.session) - self._cpu_before

    @property
    def is_over(self) -> bool:
        """Whether enough has been seen."""
        told = self.told
        return len(told) >= _FEWEST and told[-1]["time"] - told[0]["time"] >= self.seconds

    def measurement(self, workers: int, batch: int) -> Measurement:
        """Return what was seen: the median of the stretches between looks, which a busy moment does not move."""
        pairs = zip(self.told, self.told[1:], strict=False)
        stretches = [(b["time"] - a["time"]) / (b["step"] - a["step"]) for a, b in pairs if b["step"] > a["step"]]
        steps = self.told[-1]["step"] - self.told[0]["step"]
        return Measurement(workers, batch, statistics.median(stretches), self.cpu / steps, steps)


class Launches:
    """Short launches of one recipe, in a storage of their own.

    Args:
        recipe: file, or name of a shipped recipe.
        overrides: as given by ``--set``.
        storage: an empty folder.
        cpus: of each worker; None: as a launch takes them.
        seconds: timed in each launch.

    Attributes:
        parameters: of the model, once one has run.
        device: that workers train on, such as ``cpu``, once one has run.
    """

    def __init__(
        self, recipe: str, overrides: Sequence[str], storage: Path, cpus: float | None, seconds: float
    ) -> None:
        self._recipe = recipe
        self._overrides = list(overrides)
        self._storage = storage
        self._cpus = cpus
        self._seconds = seconds
        self.parameters = 0
        self.device = ""

    def measure(self, workers: int, batch: int) -> Measurement:
        """Launch so many workers with so many samples together in a step, time steps, and stop.

        Raises:
            UserError: the launch ended before there was enough to time.
        """
        name = f"{workers}-workers-batch-{batch}"
        folder, log = RunFolder(self._storage / name), self._storage / f"{name}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "imgcls", "launch", *self._arguments(workers, batch, name)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C ends the measuring, which then ends this one
            )
        window = _Window(process.pid, self._seconds)
        try:
            self._watch(process, EventFollower(folder.events), window, log)
        finally:
            _stop(process)
        return window.measurement(workers, batch)

    def _arguments(self, workers: int, batch: int, name: str) -> list[str]:
        # so long that the run does not end by itself; evaluations would be timed with the steps
        endless = [f"train.batch_size={batch}", "train.epochs=100000", "train.evaluate_every=100000"]
        words = [word for each in (*self._overrides, *endless) for word in ("--set", each)]
        share = [] if self._cpus is None else ["--cpus-per-worker", f"{self._cpus:g}"]
        where = ["--storage", str(self._storage), "--name", name, "--plain"]
        return [self._recipe, *words, "--workers", str(workers), *share, *where]

    def _watch(
        self, process: "subprocess.Popen[bytes]", follower: EventFollower, window: _Window, log: Path
    ) -> None:
        end = time.monotonic() + _PATIENCE + self._seconds
        while not window.is_over:
            ended = process.poll() is not None
            for event in follower.new():
                if event["kind"] == "run":
                    self.parameters, self.device = int(event["parameters"]), str(event["device"])
                elif event["kind"] == "progress":
                    window.take(event)
            if ended:
                raise UserError(
                    f"a launch that was to be measured ended early:\n{log.read_text()[-2000:].strip()}"
                )
            if time.monotonic() > end:
                raise UserError(f"nothing could be measured within {_PATIENCE:g} s: {log}")
            time.sleep(_POLL)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End a launch as Ctrl-C does, and by force what does not hear it."""
    with contextlib.suppress(subprocess.TimeoutExpired, ProcessLookupError):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(_STOPPING)
        return
    for member in _members(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)
    process.wait()


def _members(session: int) -> list[int]:
    return [pid for pid, fields in _processes() if fields[3] == str(session)]


def _cpu_seconds(session: int) -> float:
    """Return the CPU time of a session's processes; Ray's have groups of their own, but stay in it."""
    return sum(int(f[11]) + int(f[12]) for _, f in _processes() if f[3] == str(session)) / _TICK


def _processes() -> list[tuple[int, list[str]]]:
    """Return the number of each process, with the fields of its ``stat`` from the third on (proc_pid_stat(5))."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it may have ended meanwhile
            found.append((int(entry.parent.name), entry.read_text().rpartition(")")[2].split()))
    return found
