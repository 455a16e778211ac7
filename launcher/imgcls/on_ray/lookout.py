"""The driver's look at what the ranks note: says who hangs, and ends what cannot end itself."""

import os
import socket
import time
from collections.abc import Callable

from imgcls.hang import Onlooker
from imgcls.on_ray.processes import descendants, kill
from imgcls.report.events import Event
from imgcls.run_folder import RunFolder
from imgcls.train.watch import GRACE

_INTERVAL = 0.5  # seconds between looks
_AFTER_A_HANG = "the workers were ended; starting again from the last checkpoint"
_BEYOND = 3 * GRACE  # seconds that a rank has for its stacks and its end


class Lookout:
    """Says once for each hang who holds the others up.

    Ranks end themselves, and Ray Train replaces them as after a kill. A process that was stopped, by SIGSTOP for
    one, cannot: the driver does it where it is on the same host.

    Args:
        folder: of the run.
        emit: takes events.
    """

    def __init__(self, folder: RunFolder, emit: Callable[[Event], None]) -> None:
        self.folder = folder
        self.emit = emit
        self._onlooker = Onlooker(folder.places)
        self._next = 0.0
        self._told = False

    def heard(self, event: Event) -> Event:
        """Take note of an event, and return it, perhaps in better words.

        After a failure, what is noted so far is of processes that have ended.
        """
        if event["kind"] != "failure":
            return event
        self._onlooker.forget()
        told, self._told = self._told, False
        # which of them ended first says nothing here
        return {**event, "text": _AFTER_A_HANG} if told else event

    def look(self) -> None:
        """Look, if it is time to."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _INTERVAL
        hang = self._onlooker.look(now)
        if hang is None:
            self._told = False
            return
        if not self._told:
            self._told = True
            text = f"{hang}\nstacks of all workers: {self.folder.stacks}"
            self.emit({"kind": "failure", "time": time.time(), "text": text})
        self._end_silent(now)

    def _end_silent(self, now: float) -> None:
        silent = self._onlooker.silent(now, _BEYOND)
        if not silent:
            return
        mine = set(descendants(os.getpid()))
        for place in silent:
            if place.host == socket.gethostname() and place.process in mine:
                kill(place.process)
