"""Writes checkpoints in the background, and tries again while storage fails."""

import threading
import time
from collections.abc import Callable

from imgcls.outage import pauses, reason
from imgcls.train.snapshot import Snapshot

_SILENT = 3.0  # seconds that storage may fail before that is said
_HURRIED = 2.0  # the longest pause, in seconds, while training waits
_LOOK = 0.2  # seconds between looks at the clock while waiting


class Writer:
    """Writes snapshots one after another, in a thread that lives as long as there are some.

    At most two snapshots are in memory: the one that is being written, and the next. While storage works each is
    written, and a third waits until the first is. While storage fails training goes on: the first is tried again
    after 0.5, 1, 2 ... 60 s, and what comes replaces what waits, but for the best one, which is written too.

    Args:
        write: writes one; raises OSError where storage fails.
        warn: takes a message once in each outage, from the thread: step and reason.
        note: is told when the outage is over.
    """

    def __init__(
        self, write: Callable[[Snapshot], None], warn: Callable[[str], None], note: Callable[[str], None]
    ) -> None:
        self._write = write
        self._warn = warn
        self._note = note
        self._held: list[Snapshot] = []  # oldest first
        self._active: Snapshot | None = None  # under way at this moment
        self._thread: threading.Thread | None = None
        self._failing: str | None = None  # why the last try failed; no exception, for it would hold the snapshot
        self._failing_since = 0.0
        self._warned = False
        self._tries = 0
        self._hurried = False
        self._closing = False
        self._bug: Exception | None = None
        self._changed = threading.Condition()

    def make_room(self, best: int) -> None:
        """Let go of a snapshot, or wait for it, so that one at most is held and another can be made.

        Args:
            best: the step of the best evaluation so far, whose snapshot stays.

        Raises:
            Exception: an error of the program in an earlier write.
        """
        with self._changed:
            while True:
                self._raise_bug()
                if self._failing is not None:
                    self._held = [s for s in self._held if s is self._active or s.step == best]
                if len(self._held) < 2:
                    return
                self._changed.wait()

    def put(self, snapshot: Snapshot) -> None:
        """Write this one too."""
        with self._changed:
            self._held.append(snapshot)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=False)
                self._thread.start()

    def finish(self, seconds: float) -> str | None:
        """Wait until everything is written; storage that fails is tried often, for so many seconds.

        Returns:
            Why something is still not written; None where all is.

        Raises:
            Exception: an error of the program in a write.
        """
        end = time.monotonic() + seconds
        with self._changed:
            before = self._tries
            self._hurried = True
            self._changed.notify_all()
            try:
                while self._held:
                    if self._tries > before and self._failing is not None and time.monotonic() >= end:
                        return self._failing
                    self._changed.wait(_LOOK)
            finally:
                self._hurried = False
            self._raise_bug()
        return None

    def close(self) -> list[int]:
        """End the thread: what waits is written if storage works; return the steps that are not."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()
        return [snapshot.step for snapshot in self._held]

    def _raise_bug(self) -> None:
        if self._bug is not None:
            bug, self._bug = self._bug, None
            raise bug

    def _run(self) -> None:
        waits = pauses()
        while self._begin():
            if self._is_written():
                waits = pauses()
            else:
                self._pause(next(waits))

    def _begin(self) -> bool:
        with self._changed:
            given_up = self._closing and self._failing is not None
            if given_up or not self._held:
                self._thread = None
                return False
            self._active = self._held[0]
            return True

    def _is_written(self) -> bool:
        """Try the one that is under way, and return whether the next may follow at once."""
        assert self._active is not None
        step, failure = self._active.step, None
        try:
            self._write(self._active)
        except OSError as error:
            failure = reason(error)
        except Exception as error:  # noqa: BLE001 (raised again in the training thread)
            self._bug = error
        with self._changed:
            self._tries += 1
            if failure is None:
                self._held = [snapshot for snapshot in self._held if snapshot is not self._active]
            elif self._failing is None:
                self._failing_since = time.monotonic()
            self._active, self._failing = None, failure
            self._drop_superseded()
            self._changed.notify_all()
        self._report(step)
        return failure is None

    def _drop_superseded(self) -> None:
        if self._failing is not None and len(self._held) > 1:
            newest = self._held[-1]
            self._held = [s for s in self._held if s is newest or s.step == newest.best]

    def _report(self, step: int) -> None:
        lasting = time.monotonic() - self._failing_since
        if self._failing is None:
            if self._warned and self._bug is None:
                self._note(f"checkpoints can be written again, after {lasting:.0f} s")
            self._warned = False
        elif not self._warned and lasting >= _SILENT:
            self._warned = True
            self._warn(
                f"the checkpoint of step {step} cannot be written: {self._failing}; training goes on, those "
                "before it are kept, and the newest is tried again, at least once a minute"
            )

    def _pause(self, seconds: float) -> None:
        began = time.monotonic()
        with self._changed:
            while not self._closing:
                left = began + (min(seconds, _HURRIED) if self._hurried else seconds) - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)
