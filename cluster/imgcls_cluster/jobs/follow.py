"""A job's log as it grows, shown as the launch itself would show it."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from imgcls.errors import UserError
from imgcls_cluster.jobs.client import Failed, Jobs, UnknownJob, Unreachable
from imgcls_cluster.jobs.job import Job

if TYPE_CHECKING:
    from imgcls.report.terminal import Terminal

_NO_PROGRAM = 127  # what a shell says where there is no such command
_AGAIN = 1.0  # seconds between tries
_PATIENCE = 900.0  # seconds without a cluster after which following ends


class Lost(UserError):
    """The job cannot be followed any more; the same submit goes on from there."""


class Lines:
    """Pieces of text that end anywhere -> events and other lines, each whole."""

    def __init__(self) -> None:
        self._rest = ""

    def take(self, piece: str) -> Iterator[dict[str, Any] | str]:
        """Yield the lines that are whole by now: events as mappings, others as they are."""
        *whole, self._rest = (self._rest + piece).split("\n")
        for line in whole:
            yield event_of(line) or line


def event_of(line: str) -> dict[str, Any] | None:
    """Return the event that a line of ``imgcls launch --json`` is; None where it is another."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("kind"), str) else None


class Shown:
    """Shows a job's lines. What comes before our own program begins is Ray's, and kept back unless that fails.

    Args:
        view: of the run.
        complain: takes a line that is no event, such as one of an error's.
    """

    def __init__(self, view: "Terminal", complain: Callable[[str], None]) -> None:
        self._view = view
        self._complain = complain
        self._lines = Lines()
        self._before: list[str] = []
        self._begun = False

    def take(self, piece: str) -> None:
        """Show what a piece of the log completes."""
        for line in self._lines.take(piece):
            if isinstance(line, str):
                self._plain(line)
            elif line["kind"] == "job":
                self._begun = True
            elif line["kind"] == "line":
                self._view.line(str(line.get("text", "")), style=line.get("style"))
            else:
                self._view.show(line)

    def _plain(self, line: str) -> None:
        if self._begun:
            self._complain(line)
        else:
            self._before.append(line)

    def end(self, job: Job) -> None:
        """Say what else there is to say of a job that has ended."""
        self._view.close()
        if self._begun or job.state != "FAILED":
            return
        for line in self._before:
            if not is_rays(line):
                self._complain(line)
        if job.exit_code == _NO_PROGRAM:
            self._complain(
                "there is no `python` on the PATH of Ray's head; activate the environment before `ray start`"
            )
        if job.exit_code is None:
            self._complain(f"{job.name} could not be started: {job.message.strip()}")


def is_rays(line: str) -> bool:
    """Return whether a line of a log is what Ray writes into each."""
    return "Runtime env is setting up." in line or line.startswith("Running entrypoint for job ")


def follow(jobs: Jobs, name: str, shown: Shown, say: Callable[[str], None]) -> Job:
    """Show a job's log until it ends, and return the job as it ended.

    Args:
        jobs: of the cluster.
        name: of the job.
        shown: takes its log.
        say: is told of a connection that is lost, and that it is there again.

    Raises:
        Lost: the cluster was away for too long, or does not know the job any more.
    """
    return asyncio.run(_follow(jobs, name, shown, say))


async def _follow(jobs: Jobs, name: str, shown: Shown, say: Callable[[str], None]) -> Job:
    unread, began = _Unread(shown.take), (await _asked(jobs, name, say)).started
    while True:
        with suppress(Unreachable):  # what it means, the next question finds out
            unread.start_over()
            await jobs.tail(name, unread.take)
        job = await _asked(jobs, name, say)
        if job.started != began:  # a head that was started anew counts its jobs anew
            raise Lost(_forgotten(jobs, name))
        with suppress(Unreachable, Failed):  # where no connection is held, the log comes at each look
            log = jobs.logs(name)
            unread.start_over()
            unread.take(log)
        if job.is_ended:
            shown.end(job)
            return job
        await asyncio.sleep(_AGAIN)


def _forgotten(jobs: Jobs, name: str) -> str:
    return (
        f"{jobs.url} does not know {name} any more: its head was started anew; "
        "the same `imgcls submit` continues the run from its last checkpoint"
    )


class _Unread:
    """Hands on what it has not before, of a log that comes from its beginning each time."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._read = self._at = 0  # characters

    def start_over(self) -> None:
        """Be told that the next piece is the log's first."""
        self._at = 0

    def take(self, piece: str) -> None:
        """Take the next piece."""
        new = piece[max(0, self._read - self._at) :]
        self._at += len(piece)
        self._read = max(self._read, self._at)
        if new:
            self._take(new)


async def _asked(jobs: Jobs, name: str, say: Callable[[str], None]) -> Job:
    """Return how a job is, as soon as the cluster says it."""
    end, lost = time.monotonic() + _PATIENCE, False
    while True:
        try:
            job = jobs.job(name)
        except UnknownJob:
            raise Lost(_forgotten(jobs, name)) from None
        except (Unreachable, Failed) as error:
            if time.monotonic() > end:
                raise Lost(
                    f"{error}; {name} goes on if its head does; the same command follows it again"
                ) from None
            if not lost:
                say(f"{error}; trying again, the run does not wait for us; Ctrl-C leaves it")
                lost = True
            await asyncio.sleep(_AGAIN)
        else:
            if lost:
                say(f"{jobs.url} answers again")
            return job
