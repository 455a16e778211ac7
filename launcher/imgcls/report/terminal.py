"""The live view of a run: a progress line on a terminal, plain lines elsewhere."""

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from imgcls.report.events import Event

_PLAIN_SECONDS = 15.0  # between progress lines where the output is no terminal


class Terminal:
    """Shows events as they come.

    Args:
        console: where to.
        title: of the run, in the first line.
    """

    def __init__(self, console: Console, title: str) -> None:
        self.console = console
        self.title = title
        self.last: dict[str, Event] = {}
        self.phases: list[tuple[str, float]] = []
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._epochs = 0
        self._plain_at = time.monotonic()

    def show(self, event: Event) -> None:
        """Take an event. Kinds that are not shown are remembered for the timings."""
        handler = getattr(self, f"_on_{event['kind']}", None)
        if handler is not None:
            handler(event)
        self.last[event["kind"]] = event

    def line(self, text: str, style: str | None = None) -> None:
        """Print a line above the progress line."""
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Take the progress line away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _on_phase(self, event: Event) -> None:
        self.phases.append((event["name"], event["time"]))

    def _on_indexing(self, event: Event) -> None:
        done, of = event["done"], event["of"]
        text = f"reading image headers: {done:,} of {of:,}"
        self.console.print(text, end="\r" if done < of else "\n", markup=False, highlight=False)

    def _on_warning(self, event: Event) -> None:
        self.line(f"warning: {event['text']}", style="yellow")

    def _on_note(self, event: Event) -> None:
        self.line(event["text"])

    def _on_failure(self, event: Event) -> None:
        self.line(event["text"], style="yellow")

    def _on_run(self, event: Event) -> None:
        self.phases.append(("run built", event["time"]))
        self._epochs = event["epochs"]
        self._plain_at = time.monotonic()
        if "run" not in self.last:
            self.line(_header(self.title, event))
            self._say_shares(event)
        elif self.last["run"]["workers"] != event["workers"]:
            before, now = self.last["run"]["workers"], _count(event["workers"])
            self.line(f"{now} from here on, {before} before; the global batch stays", style="yellow")
        if event["step"]:
            done = event["step"] / event["steps_per_epoch"]
            self.line(f"continuing after step {event['step']} of {event['total_steps']} (epoch {done:.2f})")
        if self.console.is_terminal:
            self._open_bar(event)

    def _say_shares(self, event: Event) -> None:
        for row in event.get("shares", []):
            self.line(f"  {row}")
        most = event.get("most_workers", event["workers"])
        if event.get("shares") and event["workers"] < most:
            self.line(
                f"{_count(event['workers'])} of {most} for now; more join when there is room", style="yellow"
            )

    def _open_bar(self, event: Event) -> None:
        self.close()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        total, step = event["total_steps"], event["step"]
        self._task = self._progress.add_task("starting", total=total, completed=step, figures="")
        self._progress.start()

    def _on_step(self, event: Event) -> None:
        self.phases.append(("first step", event["time"]))

    def _on_progress(self, event: Event) -> None:
        figures = _figures(event)
        if self._progress is not None and self._task is not None:
            epoch = f"epoch {event['epoch']}/{self._epochs}"
            self._progress.update(self._task, description=epoch, completed=event["step"], figures=figures)
        elif time.monotonic() - self._plain_at > _PLAIN_SECONDS:
            self._plain_at = time.monotonic()
            total = self.last["run"]["total_steps"]
            self.line(f"epoch {event['epoch']}/{self._epochs}  step {event['step']}/{total}  {figures}")

    def _on_evaluating(self, event: Event) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=f"epoch {event['epoch']}/{self._epochs} evaluating")

    def _on_evaluation(self, event: Event) -> None:
        self._plain_at = time.monotonic()
        figures = _figures(self.last["progress"]) if "progress" in self.last else ""
        scores = f"top1 {event['top1']:6.2f}  top5 {event['top5']:6.2f}"
        self.line(f"epoch {event['epoch']:>3}/{self._epochs}  {scores}  {figures}")


def _header(title: str, event: Event) -> str:
    workers = _count(event["workers"])
    return (
        f"{title}: {event['parameters']:,} parameters, {event['classes']} classes, "
        f"{event['train']:,} images to train and {event['validation']:,} to validate, {workers}, {event['device']}"
    )


def _count(workers: int) -> str:
    return f"{workers} worker{'s' if workers > 1 else ''}"


def _figures(event: Event) -> str:
    return (
        f"loss {event['loss']:.4f}  accuracy {event['accuracy']:5.2f}  "
        f"{event['images_per_second']:,.0f} images/s  lr {event['lr']:.4g}"
    )


def summary(result: dict[str, Any]) -> str:
    """Return the last lines of a finished run."""
    count = result.get("left_out", 0)
    left_out = f"\n{count} image{'s' if count > 1 else ''} left out, named in left_out.jsonl" if count else ""
    speed = f"{result['images_per_second']:,.0f} images/s"
    return (
        f"top1 {result['top1']:.2f} %, top5 {result['top5']:.2f} % over n = {result['n']} images; "
        f"{result['epochs']} epochs in {result['seconds']:.1f} s, {speed}{left_out}"
    )
