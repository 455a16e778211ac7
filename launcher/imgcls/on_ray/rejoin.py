"""Waits for a cluster whose head has ended: its workers may meanwhile train on, or even finish."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imgcls.errors import UserError, WorkerError
from imgcls.interrupts import Interrupts
from imgcls.on_ray import cluster
from imgcls.on_ray.address import reachable
from imgcls.report.events import Event, EventFollower
from imgcls.run_folder import RunFolder

_PATIENCE = 1800.0  # seconds
_LOOK_EVERY = 2.0  # seconds between looks for the cluster
_POLL = 0.1  # seconds between looks at the events
_LAST_CHECKPOINT = 20.0  # seconds that workers without a head have to end with one after Ctrl-C


@dataclass(frozen=True)
class Following:
    """A run that is being followed.

    Attributes:
        folder: of the run.
        address: HOST:PORT of the cluster that it joins; None: it has one of its own.
        follower: of the run's events.
        emit: takes them.
        interrupts: what the user has asked for.
    """

    folder: RunFolder
    address: str | None
    follower: EventFollower
    emit: Callable[[Event], None]
    interrupts: Interrupts


def wait_until_back(following: Following) -> str:
    """Wait until there is a cluster again, of which this machine is a node; return the last event's kind.

    Where workers of the old one have come to the run's end, or to a checkpoint after Ctrl-C, the wait is over too.

    Raises:
        WorkerError: it did not come.
    """
    address, emit, interrupts = following.address, following.emit, following.interrupts
    assert address is not None
    _tell(emit, f"the cluster at {address} is gone; waiting for it to be started again")
    began = time.monotonic()
    looked, asked, last = 0.0, None, ""
    while (now := time.monotonic()) - began < _PATIENCE:
        for event in following.follower.new():
            emit(event)
            last = str(event["kind"])
        if last in ("finished", "stopped"):
            return last
        if interrupts.requested:
            following.folder.ask_to_stop()
            asked = asked or now
            if now - asked > _LAST_CHECKPOINT:
                interrupts.end_at_once()
        elif now - looked > _LOOK_EVERY:
            if _is_there(address):
                _tell(emit, f"the cluster at {address} is back; starting again from the last checkpoint")
                return last
            looked = time.monotonic()
        time.sleep(_POLL)
    raise WorkerError(
        f"the cluster at {address} ended and was not started again within {_PATIENCE / 60:.0f} minutes; start it, "
        "and run the same command again: it continues from the last checkpoint"
    )


def _is_there(address: str) -> bool:
    try:
        cluster.check_admission(reachable(address))
    except UserError:
        return False
    return True


def _tell(emit: Callable[[Any], None], text: str) -> None:
    emit({"kind": "failure", "time": time.time(), "text": text})
