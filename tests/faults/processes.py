"""Real launches to be watched, interrupted and killed: what the tests of faults, ray and recipes share."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

COMMAND = str(Path(sys.executable).with_name("imgcls"))
_TAG = "IMGCLS_TEST_TAG"
_LIMIT = 240.0  # seconds until something that never comes is given up


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float

    def __str__(self) -> str:
        return f"exit {self.code} after {self.seconds:.1f} s\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Launch:
    """An ``imgcls`` command that is running, in a session of its own as from a terminal of its own.

    Args:
        arguments: of the command.
        cwd: where it runs; a run folder is looked for below its ``runs``.
        path: folders for PYTHONPATH, so that Ray's workers see a plugin in them too.
        name: of the run's folder, where the test looks into it.
        command: what to start.
    """

    def __init__(
        self,
        arguments: Sequence[object],
        cwd: Path,
        path: Path | None = None,
        name: str = "",
        command: Sequence[str] = (COMMAND,),
    ) -> None:
        self.tag = uuid.uuid4().hex
        self.folder = cwd / "runs" / name
        environment = {**os.environ, _TAG: self.tag, **({"PYTHONPATH": str(path)} if path else {})}
        self._files = (cwd / f".{self.tag}.out", cwd / f".{self.tag}.err")
        self._began = time.monotonic()
        with self._files[0].open("w") as out, self._files[1].open("w") as err:
            self.process = subprocess.Popen(
                [*command, *map(str, arguments)],
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def __enter__(self) -> "Launch":
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self.alive():
            _signal(pid, signal.SIGKILL)
        self.process.wait()

    @property
    def out(self) -> str:
        """Standard output so far."""
        return self._files[0].read_text()

    @property
    def err(self) -> str:
        """Standard error so far."""
        return self._files[1].read_text()

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The run's events of a kind so far."""
        file = self.folder / "events.jsonl"
        lines = file.read_text().split("\n")[:-1] if file.exists() else []
        return [event for event in map(json.loads, lines) if event["kind"] == kind]

    @property
    def step(self) -> int:
        """The last step that the run told of."""
        told = self.events("progress")
        return told[-1]["step"] if told else 0

    def wait_for(self, what: str, condition: Callable[[], object], limit: float = _LIMIT) -> Any:
        """Wait until the condition holds, and return its value; the launch must not end before."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if value := condition():
                return value
            assert self.process.poll() is None, f"ended before {what}: {self.out}\n{self.err}"
            time.sleep(0.01)
        raise AssertionError(f"{what} did not come in {limit:.0f} s: {self.out}\n{self.err}")

    def wait_for_step(self, step: int) -> None:
        """Wait until that many steps have been made."""
        self.wait_for(f"step {step}", lambda: self.step >= step)

    def worker(self, rank: int) -> int:
        """The process of a worker: the one whose output goes to its log."""
        log = str((self.folder / "logs" / f"worker-{rank}.log").resolve())
        found = [pid for pid in _pids() if _link(pid, "fd/1") == log and _running(pid)]
        assert len(found) == 1, f"worker {rank}: {found}"
        return found[0]

    def interrupt(self) -> None:
        """Press Ctrl-C: SIGINT to the whole process group of the command."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL to the command alone, not to what it started."""
        self.process.kill()
        self.process.wait()

    def alive(self) -> list[int]:
        """The processes of this launch that still run: those of its session, and those with its environment."""
        return [pid for pid in sorted(_pids()) if self._is_mine(pid) and _running(pid)]

    def _is_mine(self, pid: int) -> bool:
        fields = _fields(pid)
        # Ray's own processes overwrite their environment with their title, but stay in the session
        return bool(fields) and (int(fields[3]) == self.process.pid or self.tag.encode() in _read(pid, "environ"))

    def ended(self, limit: float = _LIMIT) -> Ended:
        """Wait for the end."""
        try:
            code = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end in {limit:.0f} s: {self.out}\n{self.err}") from None
        return Ended(code, self.out, self.err, time.monotonic() - self._began)

    def nothing_left(self, within: float) -> bool:
        """Whether no process of this launch is left, at the latest after some seconds."""
        end = time.monotonic() + within
        while self.alive() and time.monotonic() < end:
            time.sleep(0.05)
        left = [_read(pid, "cmdline").replace(b"\0", b" ").decode()[:120] for pid in self.alive()]
        assert not left, left
        return True


def imgcls(*arguments: object, cwd: Path, path: Path | None = None, limit: float = _LIMIT) -> Ended:
    """Run a command to its end, which must leave no process behind."""
    with Launch(arguments, cwd, path) as launch:
        ended = launch.ended(limit)
        launch.nothing_left(within=10)
        return ended


def result(folder: Path) -> dict[str, Any]:
    """What a finished run reached."""
    return json.loads((folder / "result.json").read_text())


def metrics(folder: Path, kind: str) -> list[dict[str, Any]]:
    """The lines of a kind in metrics.jsonl."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


def tensors(folder: Path) -> dict[str, Any]:
    """Every tensor of a finished run's last checkpoint: the model's and the optimizer's."""
    last = folder / result(folder)["checkpoint"]
    assert (folder / "checkpoints" / "latest").read_text() == last.name
    files = ("model", "optimizer")
    return {f"{file}/{k}": v for file in files for k, v in load_file(last / f"{file}.safetensors").items()}


def assert_same_end(folder: Path, other: Path) -> None:
    """Two finished runs have the same last weights, the same optimizer state, bit for bit, and the same scores."""
    mine, theirs = tensors(folder), tensors(other)
    assert mine.keys() == theirs.keys()
    assert any(name.startswith("optimizer/") for name in mine), "momentum is part of the state"
    different = [name for name, tensor in mine.items() if not tensor.equal(theirs[name])]
    assert not different, f"{len(different)} of {len(mine)} tensors differ: {different}"
    for key in ("top1", "top5", "loss", "n", "steps", "best_top1"):
        assert result(folder)[key] == result(other)[key], key


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _read(pid: int, file: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes()
    except OSError:
        return b""


def _link(pid: int, name: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/{name}")
    except OSError:
        return ""


def _fields(pid: int) -> list[str]:
    return _read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()


def _running(pid: int) -> bool:
    fields = _fields(pid)
    return bool(fields) and fields[0] not in "ZX"


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
