"""result.json: what a finished run reached."""

import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcls.train.loop import Run


def result_of(run: "Run") -> str:
    """Return the JSON text."""
    state, order = run.state, run.order
    seconds = time.monotonic() - run.began
    epochs = state.step // order.steps_per_epoch
    each = order.steps_per_epoch * order.batch_size if run.plan.train.last_batch == "drop" else order.n
    result = {
        **state.metrics,
        "epochs": epochs,
        "steps": state.step,
        "stopped_early": state.stopped_early and state.step < order.total_steps,
        "seconds": round(seconds, 3),
        "images_per_second": round(epochs * each / seconds, 1),
        "left_out": run.left_out.count(),
        "best_top1": state.best_top1,
        "best_checkpoint": str(run.checkpoints.path(state.best_step).relative_to(run.folder.path)),
        "checkpoint": str(run.checkpoints.path(state.step).relative_to(run.folder.path)),
    }
    return json.dumps(result, indent=2) + "\n"
