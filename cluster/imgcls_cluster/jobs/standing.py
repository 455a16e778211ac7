"""How far a job's run is, from what it has said."""

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from imgcls_cluster.jobs.follow import event_of, is_rays
from imgcls_cluster.jobs.job import Job

_FIGURES = ("step", "total_steps", "epoch", "epochs", "top1", "top5", "loss", "images_per_second")
_ERRORS = 10  # lines
_WHEN_ENDED = ("stopped ", "ended at once")


@dataclass(frozen=True)
class Standing:
    """A job, and the last that its run said of each figure.

    Attributes:
        job: as the cluster knows it.
        figures: of the run.
        last: line that the launch said last.
        saved: it was ended, with a checkpoint.
        errors: the last lines that are no events: of an error, or of a library.
    """

    job: Job
    figures: dict[str, Any]
    last: str
    saved: bool
    errors: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as ``imgcls status --json`` prints it."""
        return {**self.job.to_json(), **self.figures, "last": self.last, "errors": list(self.errors)}

    @property
    def text(self) -> str:
        """What a person is told."""
        job, about = self.job, self.job.about
        code = f", exit code {job.code}" if job.is_ended else ""
        rows = [f"{job.name}: {job.state}{code}", f"    {about.title}, {about.workers_in_words}"]
        if job.started is not None:
            seconds = (job.ended or time.time()) - job.started
            rows.append(f"    {'took' if job.is_ended else 'for'} {_duration(seconds)}")
        far = self._far()
        if far:
            rows.append(f"    {far}")
        rows.append(f"    results: {about.folder}")
        if self.last:
            rows.append(f"    last said: {self.last}")
        if job.state == "FAILED":
            rows += [f"    {line}" for line in self.errors or job.message.strip().splitlines()[-1:]]
        return "\n".join(rows)

    def _far(self) -> str:
        found = self.figures
        parts = []
        if "step" in found and "total_steps" in found:
            parts.append(f"step {found['step']} of {found['total_steps']}")
        if "epoch" in found and "epochs" in found:
            parts.append(f"epoch {found['epoch']} of {found['epochs']}")
        if "top1" in found:
            parts.append(f"top1 {found['top1']:.2f}, top5 {found['top5']:.2f}")
        return ", ".join(parts)


def standing(job: Job, log: str) -> Standing:
    """Return how a job is.

    Args:
        job: as the cluster knows it.
        log: all that it has printed.
    """
    figures: dict[str, Any] = {}
    last, saved = "", False
    errors: deque[str] = deque(maxlen=_ERRORS)
    for line in log.split("\n"):
        event = event_of(line)
        if event is None:
            errors += [line] if line.strip() and not is_rays(line) else []
            continue
        if event["kind"] == "line":
            last = str(event.get("text", ""))
            if last.startswith(_WHEN_ENDED):
                saved = "with a checkpoint" in last
        figures |= {key: event[key] for key in _FIGURES if key in event}
    return Standing(job, figures, last, saved, tuple(errors))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
