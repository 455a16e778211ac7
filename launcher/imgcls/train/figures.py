"""A run's figures: added up in its state, logged, and told to the live view."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from imgcls.train.meter import Sums

if TYPE_CHECKING:
    from imgcls.train.loop import Run


def take(run: "Run", sums: Sums) -> None:
    """Add the figures of the steps since the last time to the state, log them where due, and tell of them."""
    state = run.state
    state.loss_sum += sums.loss
    state.correct += sums.correct
    state.seen += sums.seen
    state.log_loss += sums.loss
    state.log_seen += sums.seen
    state.seconds = time.monotonic() - run.began
    epoch = (state.step - 1) // run.order.steps_per_epoch + 1
    if state.step % run.plan.train.log_every == 0:
        if run.world.leads:
            loss = rounded(state.log_loss / max(1, state.log_seen))
            run.journal.log("train", state.step, epoch, loss=loss, lr=_rate(run))
        state.log_loss, state.log_seen = 0.0, 0
    run.world.tell(
        "progress",
        step=state.step,
        epoch=epoch,
        loss=state.loss_sum / max(1, state.seen),
        accuracy=100 * state.correct / max(1, state.seen),
        images_per_second=sums.seen / sums.seconds,
        lr=_rate(run),
    )


def log_epoch(run: "Run", number: int) -> None:
    """Log the sums over an epoch, counted from 1, on rank 0."""
    if not run.world.leads:
        return
    state, seen = run.state, max(1, run.state.seen)
    mean, share = rounded(state.loss_sum / seen), rounded(100 * state.correct / seen)
    run.journal.log("epoch", state.step, number, loss=mean, accuracy=share, n=state.seen)


def all_rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return figures as they are logged."""
    return {key: rounded(value) if isinstance(value, float) else value for key, value in metrics.items()}


def rounded(value: float) -> float:
    """Return a figure as it is logged."""
    # sums over ranks are added in an order that the time between looks decides; that is 1e-16, not 1e-6
    return round(value, 6)


def _rate(run: "Run") -> float:
    # with layer-wise decay, the uppermost block's
    return max(float(group["lr"]) for group in run.optimizer.param_groups)
