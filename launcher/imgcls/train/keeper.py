"""The whole state of a run, into checkpoints and out of them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from imgcls.train.average import MovingAverage
from imgcls.train.checkpoint import Checkpoints, State
from imgcls.train.groups import Groups
from imgcls.train.sharded import is_sharded


class Keeper:
    """Knows everything that a run must find again.

    Args:
        checkpoints: of the run.
        model, optimizer: of the run, just built.
        average: of the model's weights, if there is one.
        scaler: of the loss, if there is one.
        rate: the schedule; it may have a state, see :func:`imgcls.hookspecs.imgcls_schedules`.
        peer: a second model that learns beside the first, if there is one.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: MovingAverage | None,
        scaler: torch.amp.GradScaler | None,
        rate: Callable[[int], float],
        peer: nn.Module | None = None,
    ) -> None:
        self.checkpoints = checkpoints
        self.model = model
        self.optimizer = optimizer
        self.average = average
        self.scaler = scaler
        self.rate: Any = rate
        self.peer = peer
        # now: updates change groups, and after an evaluation a sharded model's parameters may still be others
        self.groups = Groups.of(optimizer, model, peer)

    def save(self, state: State, plan: str, write: bool) -> None:
        """Copy everything and write it in the background. Called on every rank.

        Args:
            state: where the run is.
            plan: as JSON.
            write: whether this is the rank that writes.
        """
        average = None if self.average is None else self.average.tensors
        if not write:
            # asked of the optimizer: after an evaluation the model's own parameters may still be whole
            if any(is_sharded(each) for group in self.optimizer.param_groups for each in group["params"]):
                self.checkpoints.take_part(self.model, self.optimizer, average)
            return
        state.scaler = {} if self.scaler is None else self.scaler.state_dict()
        state.schedule = self.rate.state() if hasattr(self.rate, "state") else {}
        self.checkpoints.save(self.model, self.optimizer, state, plan, average, self.peer, self.groups)

    def restore(self, step: int) -> State:
        """Load everything that was saved after a step; on every rank.

        The checkpoint may be of another plan for the same model: what this plan says of optimizer, schedule and
        scaler holds, and what the other one had nothing of begins anew.
        """
        state = self.checkpoints.restore(step, self.model, self.optimizer, self.groups)
        if self.average is not None:
            self.average.load(self.checkpoints.average(step) or self.model.state_dict())
        if self.peer is not None:
            self.peer.load_state_dict(self.checkpoints.peer(step))
        if self.scaler is not None and state.scaler:
            self.scaler.load_state_dict(state.scaler)
        if hasattr(self.rate, "restore") and state.schedule:
            self.rate.restore(state.schedule)
        return state
