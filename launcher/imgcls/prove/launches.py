"""A launch in processes of its own, to be followed and killed."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

from imgcls.report.events import Event, EventFollower
from imgcls.run_folder import RunFolder

What = Literal["worker", "driver", "all"]
EACH: tuple[What, ...] = get_args(What)
# what a run does when it is killed
During = Literal["step", "evaluation", "checkpoint", "start"]
_POLL = 0.002  # seconds between looks at the events: less than a step, or a checkpoint, of a small model
_PATIENCE = 20.0  # seconds in which what a killed driver leaves behind should have ended by itself


class Launch:
    """``imgcls launch`` in a session of its own, with all that it prints in a file.

    Args:
        arguments: of the command.
        folder: of the run.
        log: where what it prints is added.

    Attributes:
        step: the last that the run has told of since it began or went on.
    """

    def __init__(self, arguments: Sequence[str], folder: RunFolder, log: Path) -> None:
        self.folder = folder
        self.step = 0
        # what a killed launch told must not be taken for what this one tells
        folder.events.unlink(missing_ok=True)
        self._follower = EventFollower(folder.events)
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "imgcls", "launch", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> int:
        """Wait for the end, and return the exit code; below 0: minus the signal that ended it."""
        return self._process.wait()

    def reach(self, step: int, during: During = "step") -> bool:
        """Wait until a step has been made, and then for what the run shall be doing; False if it ended before."""
        reached = False

        def arrived(event: Event) -> bool:
            nonlocal reached
            if event["kind"] in ("progress", "step"):
                self.step = int(event["step"])
                reached = self.step >= step
            # both may come at once: the evaluation after the last step is the last there is
            evaluates = during == "evaluation" and event["kind"] == "evaluating"
            return reached and (evaluates or during in ("step", "start"))

        def writes() -> bool:
            return during == "checkpoint" and reached and self.has_half_a_checkpoint()

        return self._follow(arrived, writes)

    def goes_on(self) -> bool:
        """Wait until the run begins, or after a kill begins again; return False if the launch ended before."""
        return self._follow(self._has_begun)

    def has_half_a_checkpoint(self) -> bool:
        """Return whether there is a checkpoint that is not whole: its temporary folder."""
        return any(self.folder.checkpoints.glob(".step-*"))

    def starts_for(self, seconds: float) -> bool:
        """Wait so long; return False if the run began, or the launch ended, before."""
        end = time.monotonic() + seconds
        begun = False

        def arrived(event: Event) -> bool:
            nonlocal begun
            begun = begun or self._has_begun(event)
            return begun

        return self._follow(arrived, lambda: time.monotonic() >= end) and not begun

    def _has_begun(self, event: Event) -> bool:
        if event["kind"] == "run":
            self.step = int(event["step"])
            return True
        return False

    def _follow(self, arrived: Callable[[Event], bool], comes: Callable[[], bool] = lambda: False) -> bool:
        """Wait for an event, or for what comes without one; return False if the launch ended before."""
        while True:
            ended = self._process.poll() is not None
            # all of them are looked at: of several the last says where the run is
            if any([arrived(event) for event in self._follower.new()]) or comes():  # noqa: C419
                return True
            if ended:
                return False
            time.sleep(_POLL)

    def kill(self, what: What, draw: random.Random) -> str:
        """Kill one worker, the driver with its process group, or every process; return what it was, in words.

        Where it is not one worker, waits until no process of the launch is left.
        """
        if what == "worker":
            return self._kill_worker(draw)
        if what == "driver":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            left = len(self._alive())
            self._wait_for_the_rest()
            return f"the driver's process group, {left} others left to end by themselves"
        ended = self.end()
        return f"all {ended} processes" if ended > 1 else "the process"

    def _kill_worker(self, draw: random.Random) -> str:
        workers = self._workers()
        if not workers:
            return ""
        rank = draw.choice(sorted(workers))
        _kill(workers[rank])
        return f"worker {rank}"

    def _workers(self) -> dict[int, int]:
        """Return rank -> process: a worker is known by the log that its output goes to."""
        logs = str(self.folder.logs.resolve() / "worker-")
        found = {}
        for process in self._alive():
            try:
                target = str(Path(f"/proc/{process}/fd/1").readlink())
            except OSError:
                continue
            rank = target.removeprefix(logs).removesuffix(".log")
            if target.startswith(logs) and rank.isdigit():
                found[int(rank)] = process
        return found

    def end(self) -> int:
        """Kill every process of the launch, and wait until none is left; return how many there were."""
        before = len(self._alive())
        while alive := self._alive():
            for process in alive:
                _kill(process)
            self._process.poll()  # takes note of its end, so that it is no process any more
            time.sleep(_POLL)
        self._process.wait()
        return before

    def _wait_for_the_rest(self) -> None:
        end = time.monotonic() + _PATIENCE
        while self._alive() and time.monotonic() < end:
            time.sleep(0.05)
        self.end()

    def _alive(self) -> list[int]:
        """Return the processes of the launch's session: Ray's have process groups of their own, but stay in it."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, ValueError, IndexError):  # it may have ended meanwhile
                state, _, _, session = entry.read_text().rpartition(")")[2].split()[:4]
                if int(session) == self._process.pid and state not in "ZX":
                    found.append(int(entry.parent.name))
        return found


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(process, signal.SIGKILL)
