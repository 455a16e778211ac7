"""Carries what the launch and its workers tell each other, where each host has its own copy of a run's folder.

An actor beside the launch, which reads and writes the folder there; in each worker a thread, of which one on each
host is active. Up go events, errors, logs, stacks, places and the result; down the requests to stop or save, and
the errors of others. What is appended to a file is carried once, whichever worker of a host carries it.
"""

import contextlib
import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from imgcls.lines import append_line
from imgcls.run_folder import RunFolder
from imgcls.storage.files import write_bytes

_INTERVAL = 0.2  # seconds between exchanges
_LIMIT = 10.0  # seconds for one
_LAST = 10.0  # seconds for the last one of a worker, with those that are tried again
_PAUSE = 0.5
_MOST = 1 << 22  # bytes of a file in one exchange
_APPENDED = ("events.jsonl", "logs/*.log", "logs/stacks/*.txt")
_WHOLE = (
    "errors/*.json",
    "logs/places/*.json",
    "result.json",
    "checkpoints/latest",
)
_LINES = "left_out.jsonl"  # lines of all ranks, each once
_SAVE, _STOP = "save", "stop"


@dataclass
class Parcel:
    """What a host sends.

    Attributes:
        host: identity of its copy.
        appended: file -> where its bytes begin, and they themselves.
        whole: file -> what it holds; None: it is gone.
        lines: of the images that are left out.
        known: what it was sent last; see :attr:`Answer.mark`.
    """

    host: str
    appended: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    whole: dict[str, bytes | None] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    known: str = ""


@dataclass(frozen=True)
class Answer:
    """What a host is sent.

    Attributes:
        mark: tells it from others.
        requests: name of a request's file -> what it holds, and when it was made.
        errors: file -> what it holds.
        lines: of the images that are left out, of all hosts.
    """

    mark: str
    requests: Mapping[str, tuple[bytes, int]]
    errors: Mapping[str, bytes]
    lines: list[str]


class Courier:
    """Reads and writes the folder of a run beside the launch.

    Args:
        path: of the folder.
    """

    def __init__(self, path: str) -> None:
        self._folder = RunFolder(Path(path))
        self._received: dict[tuple[str, str], int] = {}

    def received(self, host: str) -> dict[str, int]:
        """Return how many bytes of each file of a host are here."""
        return {name: count for (whose, name), count in self._received.items() if whose == host}

    def exchange(self, parcel: Parcel) -> Answer | None:
        """Take what a host sends; return what is new for it, or None."""
        for name, (first, data) in parcel.appended.items():
            self._append(parcel.host, name, first, data)
        for name, whole in parcel.whole.items():
            path = self._path(name)
            if whole is None:
                path.unlink(missing_ok=True)
            else:
                write_bytes(path, whole)
        _add_lines(self._path(_LINES), parcel.lines)
        answer = self._answer()
        return None if answer.mark == parcel.known else answer

    def _append(self, host: str, name: str, first: int, data: bytes) -> None:
        have = self._received.get((host, name), 0)
        new = data[max(0, have - first) :] if first <= have else b""
        if new:
            with self._path(name).open("ab", buffering=0) as file:
                file.write(new)
            self._received[host, name] = first + len(data)

    def _path(self, name: str) -> Path:
        if name.startswith("/") or ".." in Path(name).parts:
            raise ValueError(f"{name!r} is no file of a run")
        path = self._folder.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _answer(self) -> Answer:
        requests = {}
        for path in (self._folder.stop, self._folder.save):
            with contextlib.suppress(OSError):
                requests[path.name] = path.read_bytes(), path.stat().st_mtime_ns
        errors = {path.name: path.read_bytes() for path in sorted(self._folder.errors.glob("*.json"))}
        lines = _lines_of(self._path(_LINES))
        mark = hashlib.sha256(repr((requests, errors, lines)).encode()).hexdigest()
        return Answer(mark, requests, errors, lines)


def start(folder: RunFolder) -> Any:
    """Return the handle of a courier on this node, which lives as long as this process is connected to Ray."""
    import ray

    here = {ray._raylet.RAY_NODE_ID_KEY: ray.get_runtime_context().get_node_id()}
    return ray.remote(num_cpus=0, label_selector=here)(Courier).remote(str(folder.path.absolute()))


class Carrier:
    """A worker's end.

    Args:
        folder: of the run on this host.
        courier: handle of the launch's.
    """

    def __init__(self, folder: RunFolder, courier: Any) -> None:
        self._folder = folder
        self._courier = courier
        self._host = (folder.path / ".host").read_text(encoding="ascii")
        self._turn = folder.path / ".courier"  # locked by the one of a host that is active
        self._sent: dict[str, int] | None = None
        # what was there before this worker is not its to send
        self._known = dict(self._marks())
        self._lines = set(_lines_of(folder.path / _LINES))
        self._mark = ""
        self._asked: dict[str, tuple[bytes, int]] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """See that what is left is sent, by this worker or by another of this host, and end."""
        self._closing.set()
        self._thread.join()
        written, end = time.time_ns(), time.monotonic() + _LAST
        with self._turn.open("a") as file:
            while not (self._turn.stat().st_mtime_ns >= written or (_is_mine(file) and self._is_exchanged())):
                if time.monotonic() > end:
                    return
                time.sleep(_INTERVAL)

    def _run(self) -> None:
        with self._turn.open("a") as file:
            while not self._closing.wait(_INTERVAL):
                if _is_mine(file) and not self._is_exchanged():
                    self._closing.wait(_PAUSE)

    def _is_exchanged(self) -> bool:
        """Exchange all there is, and return whether that worked."""
        began = time.time_ns()
        try:
            while self._exchange():
                pass
            os.utime(self._turn, ns=(began, began))  # tells the others what has been sent
        except Exception as error:  # noqa: BLE001 (of Ray, of the network, of a disk: tried again a moment later)
            self._sent = None
            print(f"the launch cannot be reached now: {type(error).__name__}: {error}", flush=True)
            return False
        return True

    def _exchange(self) -> bool:
        """Exchange once; return whether there is more to send."""
        import ray

        if self._sent is None:
            self._sent = ray.get(self._courier.received.remote(self._host), timeout=_LIMIT)
        parcel = Parcel(self._host, known=self._mark)
        marks = dict(self._marks())
        for name in marks.keys() | self._known.keys():
            if marks.get(name) != self._known.get(name):
                parcel.whole[name] = _bytes_of(self._folder.path / name)
        for path in self._files(_APPENDED):
            self._add(parcel, path, self._sent)
        parcel.lines = [line for line in _lines_of(self._folder.path / _LINES) if line not in self._lines]
        answer = ray.get(self._courier.exchange.remote(parcel), timeout=_LIMIT)
        self._known = marks
        self._lines.update(parcel.lines)
        for name, (first, data) in parcel.appended.items():
            self._sent[name] = first + len(data)
        if answer is not None:
            self._take(answer)
        return any(len(data) == _MOST for _, data in parcel.appended.values())

    def _add(self, parcel: Parcel, path: Path, sent: Mapping[str, int]) -> None:
        name = str(path.relative_to(self._folder.path))
        first = sent.get(name, 0)
        with path.open("rb") as file:
            file.seek(first)
            data = file.read(_MOST)
        if path.suffix == ".jsonl":
            data = data[: data.rfind(b"\n") + 1]
        if data:
            parcel.appended[name] = first, data

    def _take(self, answer: Answer) -> None:
        """Do here what the launch says."""
        for name in (_STOP, _SAVE):
            path = self._folder.path / name
            if name not in answer.requests:
                path.unlink(missing_ok=True)
            elif (found := answer.requests[name]) != self._asked.get(name):
                path.unlink(missing_ok=True)  # one with the same words is another request
                write_bytes(path, found[0])
                self._asked[name] = found
        for name, data in answer.errors.items():
            path = self._folder.errors / name
            if not path.exists():
                write_bytes(path, data)
                self._known[f"errors/{name}"] = _mark_of(path)
        self._lines.update(answer.lines)
        _add_lines(self._folder.path / _LINES, answer.lines)
        self._mark = answer.mark

    def _files(self, patterns: tuple[str, ...]) -> Iterator[Path]:
        for pattern in patterns:
            yield from (path for path in self._folder.path.glob(pattern) if not path.name.startswith("."))

    def _marks(self) -> Iterator[tuple[str, tuple[int, int, int] | None]]:
        for path in self._files(_WHOLE):
            yield str(path.relative_to(self._folder.path)), _mark_of(path)


def _is_mine(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _mark_of(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


def _lines_of(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [line for line in lines if line.endswith("\n")]


def _add_lines(path: Path, lines: list[str]) -> None:
    """Append the lines that a file does not have."""
    have = set(_lines_of(path)) if lines else set()
    for line in lines:
        if line not in have:
            append_line(path, line)
