"""That a killed run continues to the very end of the run that was never killed: both, and what they ended in."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgcls.errors import UserError, WorkerError
from imgcls.prove.fingerprint import Group, fingerprint, journal, last_checkpoint
from imgcls.prove.launches import During, Launch, What
from imgcls.run_folder import RunFolder

_LOG_LINES = 15  # of a failed launch's output that are shown


@dataclass(frozen=True)
class Kill:
    """What is to be killed when a step has been made.

    Attributes:
        step: the kill comes after it.
        what: is killed.
        during: what the run does then. step: whatever it does; evaluation, checkpoint: the kill waits for the next
            one; start: there is a second kill, while the run starts again.
    """

    step: int
    what: What
    during: During = "step"


@dataclass(frozen=True)
class Case:
    """Two runs that should end alike.

    Args:
        name: of the recipe.
        command: arguments of ``imgcls launch`` for both, without name and storage.
        storage: of both.
        kills: by ascending step.
        seed: of the choice of workers.
    """

    name: str
    command: Sequence[str]
    storage: Path
    kills: Sequence[Kill]
    seed: int

    @property
    def undisturbed(self) -> RunFolder:
        """The run that nothing happens to."""
        return RunFolder(self.storage / f"{self.name}-undisturbed")

    @property
    def killed(self) -> RunFolder:
        """The run that is killed and continued."""
        return RunFolder(self.storage / f"{self.name}-killed")


@dataclass(frozen=True)
class Row:
    """A group of both runs; None: that run has no such group."""

    name: str
    undisturbed: Group | None
    killed: Group | None

    @property
    def same(self) -> bool:
        """Whether it is there in both, and the same."""
        both = self.undisturbed, self.killed
        return both[0] is not None and both[1] is not None and both[0].sha256 == both[1].sha256

    @property
    def unlike(self) -> list[str]:
        """Names of the parts that differ."""
        empty = Group({})
        return (self.undisturbed or empty).unlike(self.killed or empty)


def verify(case: Case, say: Callable[[str], None]) -> tuple[list[Row], int]:
    """Carry out both runs and compare their last checkpoints.

    Args:
        case: the runs.
        say: takes a line on what has happened.

    Returns:
        The groups, and how many of the kills came to be.

    Raises:
        UserError: a folder is there already; the recipe cannot be run.
        WorkerError: a launch failed that nobody had killed.
    """
    for folder in (case.undisturbed, case.killed):
        if folder.path.exists():
            raise UserError(f"{folder.path} is there already; name another --storage, or remove it")
    case.storage.mkdir(parents=True, exist_ok=True)
    starting = _undisturbed(case, say)
    kills = _Killed(case, say, starting).run()
    return _compare(case), kills


def _undisturbed(case: Case, say: Callable[[str], None]) -> float:
    """Return the seconds that it took to start."""
    began = time.monotonic()
    launch = _start(case, case.undisturbed)
    try:
        launch.goes_on()
        starting = time.monotonic() - began
        _must_be_good(launch.wait(), case.undisturbed)
    finally:
        launch.end()
    say(f"undisturbed: finished after {time.monotonic() - began:.1f} s")
    return starting


class _Killed:
    """The run that is killed, and continued by the same command."""

    def __init__(self, case: Case, say: Callable[[str], None], starting: float) -> None:
        self.case = case
        self.say = say
        self.starting = starting
        self.draw = random.Random(case.seed)  # noqa: S311 (no secret)
        self.launch = _start(case, case.killed)

    def run(self) -> int:
        """Return how many kills came to be."""
        began = time.monotonic()
        done = 0
        try:
            if self.launch.goes_on():
                while done < len(self.case.kills) and self._kill(self.case.kills[done]):
                    done += 1
            _must_be_good(self.launch.wait(), self.case.killed)
        finally:
            self.launch.end()
        for kill in self.case.kills[done:]:
            self.say(f"NOT killed after step {kill.step}: the run was at its end first")
        self.say(f"killed: finished after {time.monotonic() - began:.1f} s")
        return done

    def _kill(self, kill: Kill) -> bool:
        """Kill, and wait until the run goes on; return False if it had ended by itself."""
        killed = ""
        while not killed:  # between one group of workers and the next there is none to kill
            if not self.launch.reach(kill.step, kill.during):
                return False
            seen = self.launch.step
            killed = self.launch.kill(kill.what, self.draw)
        half = kill.what != "worker" and self.launch.has_half_a_checkpoint()
        if kill.what != "worker":
            self.launch = _start(self.case, self.case.killed)
        again = self._kill_while_starting(kill) if kill.during == "start" else ""
        if not self.launch.goes_on():
            _must_be_good(self.launch.wait(), self.case.killed)
            return False
        asked = "" if seen == kill.step else f" (asked for: {kill.step})"
        doing = {"evaluation": ", evaluating", "checkpoint": ", writing a checkpoint"}.get(kill.during, "")
        left = "; a checkpoint was left half written" if half else ""
        from_step = f"from step {self.launch.step}" if self.launch.step else "from the start: no checkpoint yet"
        self.say(f"killed: {killed}, seen at step {seen}{asked}{doing}{left}{again}; went on {from_step}")
        return True

    def _kill_while_starting(self, kill: Kill) -> str:
        """Kill a launch before it begins, at a random time, and start the next; return what was done, in words."""
        longest = self.starting
        while True:
            seconds = self.draw.uniform(0, longest)
            early = self.launch.starts_for(seconds)
            self.launch.kill(kill.what, self.draw)
            self.launch = _start(self.case, self.case.killed)
            if early:
                return f"; killed again {seconds:.1f} s into the start"
            longest = seconds / 2  # it began before, and has been killed as at a step


def _start(case: Case, folder: RunFolder) -> Launch:
    arguments = [*case.command, "--name", folder.path.name, "--storage", str(case.storage), "--plain"]
    return Launch(arguments, folder, _log(folder))


def _log(folder: RunFolder) -> Path:
    return folder.path.with_name(f"{folder.path.name}.log")


def _must_be_good(code: int, folder: RunFolder) -> None:
    if code == 0:
        return
    lines = _log(folder).read_text(encoding="utf-8", errors="replace").splitlines()
    text = "\n".join(lines[-_LOG_LINES:])
    if code == 2:
        raise UserError(text)
    raise WorkerError(
        f"{text}\nthe launch of {folder.path} ended with exit code {code}; its output: {_log(folder)}"
    )


def _compare(case: Case) -> list[Row]:
    sides = []
    for folder in (case.undisturbed, case.killed):
        checkpoint = last_checkpoint(folder)
        if checkpoint is None:
            raise WorkerError(f"{folder.path}: is finished, and has no last checkpoint to compare")
        sides.append({**fingerprint(checkpoint), "metrics.jsonl": journal(folder.metrics)})
    names = dict.fromkeys([*sides[0], *sides[1]])
    return [Row(name, sides[0].get(name), sides[1].get(name)) for name in names]
