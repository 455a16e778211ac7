"""A pause before workers are asked for again, in which a controller that is not to live may die. Imports ray."""

import time
from typing import Any

from ray.train.v2._internal.execution.callback import WorkerGroupCallback

_PAUSE = 3.0  # seconds; Ray ends what belongs to a driver that has died within one


class Unhurried(WorkerGroupCallback):
    """Waits before every start of workers but the first, in Ray Train's controller.

    When a search is killed, Ray removes the placement group that a controller waits for a moment before it ends
    the controller, which takes that for a lack of room and at once asks for another. Ray's control store grants it
    to a maker that it has just noted as dead, and then nobody ever gives it back.
    """

    def __init__(self) -> None:
        self._started = False

    def before_worker_group_start(self, worker_group_context: Any) -> None:  # noqa: ARG002
        """Wait, if it is not the first time."""
        if self._started:
            time.sleep(_PAUSE)
        self._started = True
