"""Which worker holds the others up, from what each one noted last. Imports nothing heavy."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# what a rank does between two updates, in the order in which it does it
_ORDER = (
    "starting",
    "callbacks",
    "adding up figures",
    "evaluating",
    "adding up scores",
    "saving a checkpoint",
    "reading a batch",
    "forward, backward and update",
    "ending",
)


@dataclass(frozen=True)
class Place:
    """Where a rank is, as it noted itself.

    Attributes:
        rank, size: of the process, among how many.
        host, process: where it runs, and its number there.
        began: when its watch did, seconds since 1970; with host and process it tells one start from the next.
        step: updates made.
        doing: since the last change.
        beats: changes so far.
        looks: times that this was noted, whether or not anything had changed.
        limit: seconds without a change that are too many here.
    """

    rank: int
    size: int
    host: str
    process: int
    began: float
    step: int
    doing: str
    beats: int
    looks: int
    limit: float

    @property
    def identity(self) -> tuple[str, int, float]:
        """What no other process has."""
        return self.host, self.process, self.began

    @property
    def progress(self) -> tuple[int, int]:
        """Ranks that wait for another have more of it than that one."""
        return self.step, _ORDER.index(self.doing) if self.doing in _ORDER else len(_ORDER)

    def write(self, path: Path) -> None:
        """Note it where others can read it; whole, but not at once on the disk.

        Raises:
            OSError: it cannot be written.
        """
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        temporary.replace(path)


def places(folder: Path) -> Iterator[Place]:
    """Yield what ranks noted in a folder, the lowest rank first."""
    found = []
    for path in folder.glob("rank-*.json"):
        try:
            found.append(Place(**json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):  # just removed
            continue
    yield from sorted(found, key=lambda place: place.rank)


@dataclass(frozen=True)
class Hang:
    """Ranks that make no progress.

    Attributes:
        ranks: all that are known.
        slow: those that the others wait for; empty if all are at the same place.
        silent: whether the slow ones do not even note where they are: stopped, or busy without end in C.
        seconds: since they last moved.
    """

    ranks: Sequence[Place]
    slow: Sequence[Place]
    silent: bool
    seconds: float

    def __str__(self) -> str:
        for_long = f"for {self.seconds:.0f} s"
        if not self.slow:
            first = self.ranks[0]
            return f"no worker has made progress {for_long}: all are at step {first.step}, {first.doing}"
        verb = "has" if len(self.slow) == 1 else "have"
        fault = f"{verb} not answered" if self.silent else f"{verb} made no progress"
        whose = " and ".join(f"worker {one.rank} on {one.host} (process {one.process})" for one in self.slow)
        # a rank that is silent may have gone on since it noted this
        seen = "last seen at step" if self.silent else "at step"
        where = "; ".join(dict.fromkeys(f"{seen} {one.step}, {one.doing}" for one in self.slow))
        return f"{whose} {fault} {for_long}, {where}{self._others()}"

    def _others(self) -> str:
        slow = {place.rank for place in self.slow}
        others = [str(place.rank) for place in self.ranks if place.rank not in slow]
        if not others:
            return ""
        some = ", ".join(others) if len(others) <= 4 else f"and {len(others)} others"
        return f"; worker {some} {'waits' if len(others) == 1 else 'wait'}"


def slowest(ranks: Sequence[Place], silent: Sequence[Place], seconds: float) -> Hang:
    """Return the ranks that the others wait for.

    Args:
        ranks: of a group in which nothing moves; at least one.
        silent: those of them that have long not noted where they are.
        seconds: since the last change.
    """
    if silent and len(silent) < len(ranks):
        return Hang(ranks, silent, True, seconds)
    least = min(place.progress for place in ranks)
    slow = [place for place in ranks if place.progress == least]
    if len(slow) == len(ranks) > 1:
        slow = []
    return Hang(ranks, slow, bool(silent), seconds)


@dataclass
class _Seen:
    """When something of a rank last changed; seconds of ``time.monotonic`` of the one who looks."""

    place: Place
    moved: float
    answered: float


class Onlooker:
    """Looks at what ranks note, and finds a hang by its own clock: those of other hosts may differ.

    Args:
        folder: where ranks note it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: dict[int, _Seen] = {}
        self._ended: set[tuple[str, int, float]] = set()

    def forget(self) -> None:
        """What is there by now is of processes that have ended."""
        self._ended.update(place.identity for place in places(self.folder))
        self._seen.clear()

    def look(self, now: float) -> Hang | None:
        """Return the hang, if there is one.

        Args:
            now: seconds of ``time.monotonic``.
        """
        found = [place for place in places(self.folder) if place.identity not in self._ended]
        self._seen = {place.rank: self._since(place, now) for place in found}
        seen = list(self._seen.values())
        still = [one for one in seen if now - one.moved > one.place.limit]
        if not still:
            return None
        silent = [one.place for one in seen if now - one.answered > one.place.limit / 2]
        return slowest([one.place for one in seen], silent, max(now - one.moved for one in still))

    def silent(self, now: float, beyond: float) -> list[Place]:
        """Return the ranks that should have ended for so many seconds, and have not noted anything for as long.

        Args:
            now: seconds of ``time.monotonic``.
            beyond: seconds above the limit of each.
        """
        seen = self._seen.values()
        return [one.place for one in seen if now - max(one.moved, one.answered) > one.place.limit + beyond]

    def _since(self, place: Place, now: float) -> _Seen:
        before = self._seen.get(place.rank)
        if before is None or before.place.identity != place.identity:
            return _Seen(place, now, now)
        moved = before.moved if before.place.beats == place.beats else now
        answered = before.answered if before.place.looks == place.looks else now
        return _Seen(place, moved, answered)
