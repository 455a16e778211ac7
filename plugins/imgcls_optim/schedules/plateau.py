"""Lowers the rate when an evaluation's figure stands still: the one schedule with a state."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from imgcls import Component, UserError, options
from imgcls_optim.schedules._warmup import Warmup, warmed_up, warmup_updates


@options
class Plateau(Warmup):
    """Times ``factor`` after ``patience`` evaluations in a row that were no better than the best before."""

    metric: Annotated[Literal["top1", "loss"], "of the evaluation: top1 shall rise, loss shall fall"] = "top1"
    patience: Annotated[int, Gt(0), "evaluations in a row that must be no better"] = 10
    factor: Annotated[float, Gt(0), Lt(1), "what the rate is then multiplied by"] = 0.1
    threshold: Annotated[float, Ge(0), Lt(1), "better is more than this share of the best"] = 1e-4
    least: Annotated[float, Ge(0), Le(1), "factor that it does not fall below"] = 0.0


class OnPlateau:
    """A schedule that is told of each evaluation.

    As a function of the update's number it is pure between two evaluations. Every rank must be told the same
    figures.

    Args:
        options: of the schedule.
        updates: of the warm-up.
    """

    def __init__(self, options: Plateau, updates: int) -> None:
        self._options = options
        self._best = math.nan
        self._waited = 0  # evaluations since the best, or since the rate was lowered
        self._lowered = 0  # times
        self._factor = warmed_up(options, updates, self._lowered_factor)

    def __call__(self, step: int) -> float:
        """Return the factor of an update, counted from 0."""
        return self._factor(step)

    def _lowered_factor(self, _: int) -> float:
        return max(self._options.least, self._options.factor**self._lowered)

    def evaluated(self, metrics: Mapping[str, float]) -> None:
        """Take note of an evaluation's figures, such as ``top1`` in percent and ``loss``.

        Raises:
            UserError: the one that is waited for is not among them.
        """
        name = self._options.metric
        if name not in metrics:
            given = ", ".join(sorted(metrics))
            raise UserError(f'schedule: metric = "{name}" is not among what the evaluation gives: {given}')
        if self._is_better(metrics[name]):
            self._best, self._waited = metrics[name], 0
            return
        self._waited += 1
        if self._waited >= self._options.patience:
            self._lowered, self._waited = self._lowered + 1, 0

    def _is_better(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        if math.isnan(self._best):
            return True
        margin = self._options.threshold * abs(self._best)
        return value > self._best + margin if self._options.metric == "top1" else value < self._best - margin

    def state(self) -> dict[str, float]:
        """Return what :meth:`restore` needs; ``best`` is missing before the first evaluation."""
        best = {} if math.isnan(self._best) else {"best": self._best}
        return {**best, "waited": float(self._waited), "lowered": float(self._lowered)}

    def restore(self, state: Mapping[str, float]) -> None:
        """Continue from what :meth:`state` gave."""
        self._best = state.get("best", math.nan)
        self._waited, self._lowered = int(state["waited"]), int(state["lowered"])


def build(options: Plateau, total_steps: int, steps_per_epoch: int) -> OnPlateau:
    """A factor that follows the evaluations."""
    return OnPlateau(options, warmup_updates(options, total_steps, steps_per_epoch))


COMPONENT = Component(
    "plateau",
    f"{__name__}:build",
    Plateau,
    summary="lower when a figure stands still",
    facts={"evaluations": ("patience",)},
)
