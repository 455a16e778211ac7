"""The whole state of a run, into checkpoints and out of them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from imgcls.train.average import MovingAverage
from imgcls.train.checkpoint import Checkpoints, State
from imgcls.train.sharded import is_sharded


class Keeper:
    """Knows everything that a run must find again.

    Args:
        checkpoints: of the run.
        model, optimizer: of the run.
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
        if self.scaler is not None:
            state.scaler = self.scaler.state_dict()
        if hasattr(self.rate, "state"):
            state.schedule = self.rate.state()
        self.checkpoints.save(self.model, self.optimizer, state, plan, average, self.peer)

    def restore(self, step: int) -> State:
        """Load everything that was saved after a step; on every rank."""
        state = self.checkpoints.restore(step, self.model, self.optimizer)
        if self.average is not None:
            self.average.load(self.checkpoints.average(step))
        if self.peer is not None:
            self.peer.load_state_dict(self.checkpoints.peer(step))
        if self.scaler is not None:
            self.scaler.load_state_dict(state.scaler)
        if hasattr(self.rate, "restore"):
            self.rate.restore(state.schedule)
        return state
