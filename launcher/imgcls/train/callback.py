"""What a plugin can do inside a run: callbacks on every rank, trackers on rank 0. Imports no torch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcls.train.loop import Run


class Callback:
    """Moments of a run; override what you need. Called on every rank, in the recipe's order.

    Whatever changes training must depend on the run's state alone, not on time or chance, or a killed run
    no longer continues exactly.
    """

    def run_began(self, run: "Run") -> None:
        """Model, optimizer and data are there; a checkpoint, if any, has been restored."""

    def epoch_began(self, run: "Run") -> None:
        """Before an epoch's first step, or the first one after continuing."""

    def step_ended(self, run: "Run") -> None:
        """After an update. ``run.state.step`` counts it."""

    def evaluated(self, run: "Run", metrics: Mapping[str, float]) -> None:
        """After an evaluation: ``top1`` and ``top5`` in percent, ``loss``, and ``n``, the same on all ranks."""

    def checkpoint_saved(self, run: "Run") -> None:
        """After the state has been copied for writing."""

    def epoch_ended(self, run: "Run") -> None:
        """After an epoch's evaluation, before its checkpoint."""

    def run_ended(self, run: "Run") -> None:
        """After the last step, or when asked to stop."""


class Tracker:
    """Receives every record of metrics.jsonl, on rank 0."""

    def rewind(self, step: int) -> None:
        """Forget records later than an update's number: a continued run will log them again."""

    def log(self, record: Mapping[str, object]) -> None:
        """Take a record: ``kind`` (``train``, ``epoch`` or ``evaluation``), ``step``, ``epoch``, and figures.

        Raises:
            OSError: it cannot be taken now; it will be given again, before those that follow.
        """

    def close(self) -> None:
        """The run has ended."""
