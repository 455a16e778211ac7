"""A job of ours on a cluster, as its list says."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from imgcls.interrupts import RUN_ME_AGAIN

_RUN, _STORAGE, _RECIPE, _TITLE, _VERSION, _WORKERS = "run", "storage", "recipe", "title", "imgcls", "workers"
_ENDED = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
_SIGNALLED = 128  # what a shell adds to a signal's number


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a job's metadata say of the run.

    Attributes:
        run: name of its folder.
        storage: in which the folder is, as the cluster sees it.
        recipe: SHA-256 of the text that was shipped.
        title: heading of a view.
        workers: as the command line writes them.
        version: of the imgcls that submitted it.
    """

    run: str
    storage: str
    recipe: str
    title: str
    workers: str
    version: str

    @property
    def workers_in_words(self) -> str:
        """How many train."""
        return f"{self.workers} worker{'' if self.workers == '1' else 's'}"

    @property
    def folder(self) -> str:
        """The run's folder, as the cluster sees it."""
        return f"{self.storage.rstrip('/')}/{self.run}"

    def to_metadata(self) -> dict[str, str]:
        """Return it as the metadata of a job."""
        return {
            _RUN: self.run,
            _STORAGE: self.storage,
            _RECIPE: self.recipe,
            _TITLE: self.title,
            _WORKERS: self.workers,
            _VERSION: self.version,
        }

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> "Description | None":
        """Return what metadata say; None where they are not ours."""
        try:
            return cls(
                run=metadata[_RUN],
                storage=metadata[_STORAGE],
                recipe=metadata[_RECIPE],
                title=metadata[_TITLE],
                workers=metadata[_WORKERS],
                version=metadata[_VERSION],
            )
        except KeyError:
            return None


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as the cluster knows it.

    Attributes:
        name: its submission id.
        about: the run.
        state: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED.
        message: what Ray says of the state.
        started: seconds since 1970; None: not yet.
        ended: seconds since 1970; None: not yet.
        exit_code: of the launch; None: it has none, or not yet.
    """

    name: str
    about: Description
    state: str
    message: str
    started: float | None
    ended: float | None
    exit_code: int | None

    @classmethod
    def of(cls, details: Any) -> "Job | None":
        """Return Ray's details of a job as a job; None where it is not ours."""
        about = Description.of(details.metadata or {})
        if about is None or details.submission_id is None:
            return None
        return cls(
            name=details.submission_id,
            about=about,
            state=str(getattr(details.status, "value", details.status)),
            message=details.message or "",
            started=_seconds(details.start_time),
            ended=_seconds(details.end_time),
            exit_code=details.driver_exit_code,
        )

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in _ENDED

    @property
    def code(self) -> int:
        """The exit code of who followed it to its end: the launch's own, or what stands for it."""
        if self.state == "SUCCEEDED":
            return 0
        if self.state == "STOPPED":
            return RUN_ME_AGAIN
        if not self.exit_code:
            return 1
        return self.exit_code if self.exit_code > 0 else _SIGNALLED - self.exit_code

    def to_json(self) -> dict[str, Any]:
        """Return it as ``imgcls jobs --json`` prints it."""
        return {
            "job": self.name,
            "state": self.state,
            **self.about.to_metadata(),
            "started": self.started,
            "ended": self.ended,
            "exit_code": self.code if self.is_ended else None,
        }


def _seconds(milliseconds: int | None) -> float | None:
    return milliseconds / 1000 if milliseconds else None


def free_name(run: str, taken: Iterable[str]) -> str:
    """Return the first of ``run-1``, ``run-2``, ... that no job has, in letters that paths and URLs take."""
    base = re.sub(r"[^A-Za-z0-9_.-]", "_", run)
    numbers = [int(name[len(base) + 1 :]) for name in taken if re.fullmatch(rf"{re.escape(base)}-\d{{1,9}}", name)]
    return f"{base}-{max(numbers, default=0) + 1}"
