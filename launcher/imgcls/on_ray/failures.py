"""Why workers are started again, told once each time. Imports ray."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.train.v2._internal.execution.callback import ControllerCallback
from ray.train.v2._internal.execution.controller.state import RestartingState
from ray.train.v2.api.exceptions import PreemptionError, WorkerGroupError

from imgcls.report.events import EventFile


class Failures(ControllerCallback):
    """Tells of each start after the first, in Ray Train's controller.

    ``UserCallback.after_exception`` would be called at each look at workers of which some have died, again and
    again until all have where a node is being taken away; and not at all where Ray ends them because its time has
    come.

    Args:
        events: file of the run's events.
    """

    def __init__(self, events: Path) -> None:
        self.events = events

    def after_controller_state_update(self, previous_state: Any, current_state: Any) -> None:  # noqa: ARG002
        """Tell, if the workers are started again now."""
        if isinstance(current_state, RestartingState):
            EventFile(self.events).tell("failure", text=_described(current_state.training_failed_error))


def _described(error: Exception) -> str:
    if isinstance(error, PreemptionError):
        nodes = ", ".join(node[:8] for node in error.preemption_info.preempted_node_ids)
        return f"Ray takes node {nodes} away; starting again from the last checkpoint"
    if isinstance(error, WorkerGroupError):
        return _deaths(error.worker_failures)
    return f"the workers ended: {error}; starting again from the last checkpoint"


def _deaths(exceptions: Mapping[int, Exception]) -> str:
    """Say which workers died; those that only lost their connection to them are left out."""
    died = {r: e for r, e in exceptions.items() if "Actor" in type(e).__name__ or "died" in str(e)} or exceptions
    ranks = ", ".join(str(rank) for rank in sorted(died))
    return f"worker {ranks} died; starting again from the last checkpoint"
