"""Watches a rank from a thread beside it: notes where it is, and writes down its stacks where it hangs.

A rank that hangs may hold Python's global lock, so that no thread of it runs any more. Then the timer of
``faulthandler`` is what is left: it is C, needs no lock, writes all stacks and ends the process.
"""

import contextlib
import faulthandler
import math
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from imgcls.hang import Place
from imgcls.run_folder import RunFolder

_INTERVAL = 1.0  # seconds between looks
_FIRST_TIME = 1800.0  # seconds that something may take when it is done for the first time: torch.compile
GRACE = 4.0  # seconds between the stacks and the end, once or twice, in which every rank writes its own
_DEBUGGERS = ("bdb", "pdb", "ipdb", "pydevd", "_pydevd_bundle", "debugpy")


def _nobody(_place: Place, _seconds: float) -> None:
    pass


class Watch:
    """The watch over one rank, from :meth:`start` to :meth:`close`.

    Args:
        folder: of the run.
        rank, size: of this process, among how many.
        hang_after: seconds without progress; 0: never.
        hung: is told where the rank hangs and for how many seconds, after its stacks have been written down; it
            may end the process.
        notice: is asked at each look for something that the user should know and that wants a checkpoint.
        grace: seconds between the stacks and the end, in which the others write theirs; above 0.
        firm: end the process also where it holds the global lock. Not for a run at a terminal: one that Ctrl-Z
            has stopped for long would then be ended as soon as it goes on.
        first_time: seconds that something may take when it is done for the first time, if they are more.
    """

    def __init__(
        self,
        folder: RunFolder,
        rank: int,
        size: int,
        hang_after: float,
        *,
        hung: Callable[[Place, float], None] = _nobody,
        notice: Callable[[], str] = str,
        grace: float = GRACE,
        firm: bool = True,
        first_time: float = _FIRST_TIME,
    ) -> None:
        self.hang_after = hang_after
        self._first_time = first_time
        self._hung = hung
        self._ask = notice
        self._grace = grace
        self._firm = firm
        self._rank, self._size, self._host = rank, size, socket.gethostname()
        self._began = time.time()
        self._stacks = folder.stacks / f"rank-{rank}.txt"
        self._note = folder.places / f"rank-{rank}.json"
        self._known: set[str] = set()
        self._step, self._doing, self._beats, self._looks = 0, "starting", 0, 0
        self._noticed = ""
        self._end = math.inf  # when the timer goes off, seconds since 1970
        self._interval = min(_INTERVAL, hang_after / 5) if hang_after else _INTERVAL
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> "Watch":
        """Begin."""
        for path in (self._stacks, self._note):
            path.parent.mkdir(parents=True, exist_ok=True)
        # opened now: where it is needed, nothing can be opened any more
        self._file = self._stacks.open("a", encoding="utf-8")
        self._arm()
        self._thread.start()
        return self

    def close(self) -> None:
        """End; what was noted is of no use any more."""
        self._closing.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()
        self._file.close()
        self._note.unlink(missing_ok=True)
        if self._stacks.exists() and not self._stacks.stat().st_size:
            self._stacks.unlink()

    def pulse(self, step: int, doing: str) -> None:
        """Take note of progress; see :class:`imgcls.train.world.World`. Costs less than a microsecond."""
        self._known.add(self._doing)
        self._step, self._doing = step, doing
        self._beats += 1

    def notice(self) -> str:
        """Return what the user should know and what wants a checkpoint, once."""
        noticed, self._noticed = self._noticed, ""
        return noticed

    @property
    def limit(self) -> float:
        """Seconds without progress that are too many for what the rank does now."""
        return self.hang_after if self._doing in self._known else max(self.hang_after, self._first_time)

    @property
    def place(self) -> Place:
        """Where the rank is."""
        return Place(
            self._rank,
            self._size,
            self._host,
            os.getpid(),
            self._began,
            self._step,
            self._doing,
            self._beats,
            self._looks,
            self.limit,
        )

    def _run(self) -> None:
        beats, moved = -1, time.monotonic()
        while True:
            self._looks += 1
            with contextlib.suppress(OSError):  # a disk that is full is not for the watch to tell
                self.place.write(self._note)
            self._noticed = self._noticed or self._ask()
            asleep = time.monotonic()
            if self._closing.wait(self._interval):
                return
            now = time.monotonic()
            # a process that was stopped as a whole, by Ctrl-Z for one, has had no time to make progress
            if self._beats != beats or now - asleep > self._interval + self.limit / 2:
                beats, moved = self._beats, now
                self._arm()
            elif self.hang_after and now - moved > self.limit:
                if _debugged():
                    moved = now
                    self._arm()
                elif self._is_over(beats, now - moved):
                    os._exit(1)

    def _arm(self) -> None:
        """Start the timer of faulthandler anew."""
        if not self.hang_after:
            return
        # the ranks' timers go off at the same moments of the clock, or the first to end would take the others
        # with it before they have written anything
        now = time.time()
        self._end = math.ceil((now + self.limit + self._grace) / self._grace) * self._grace
        faulthandler.dump_traceback_later(self._end - now, file=self._file, exit=self._firm)

    def _is_over(self, beats: int, seconds: float) -> bool:
        """Write down the stacks, wait until all have; return whether the rank still makes no progress."""
        faulthandler.cancel_dump_traceback_later()
        when = time.strftime("%Y-%m-%d %H:%M:%S")
        self._file.write(f"{when}, at step {self._step}, {self._doing}, for {seconds:.0f} s:\n")
        self._file.flush()
        faulthandler.dump_traceback(self._file, all_threads=True)
        self._hung(self.place, seconds)
        # a rank whose timer has to do it is not to be ended with this one before
        closed = self._closing.wait(max(0.0, self._end - time.time()) + _INTERVAL)
        return not closed and self._beats == beats


def _debugged() -> bool:
    """Whether a thread waits in a debugger."""
    return any(_in_debugger(frame) for frame in sys._current_frames().values())


def _in_debugger(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in _DEBUGGERS:
            return True
        frame = frame.f_back
    return False
