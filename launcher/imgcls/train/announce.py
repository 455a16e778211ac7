"""What a run says of itself before its first step."""

from typing import TYPE_CHECKING

from imgcls import worker_counts
from imgcls.outage import until_it_works

if TYPE_CHECKING:
    from imgcls.train.loop import Run


def announce(run: "Run") -> None:
    """Emit the event ``run``, name the images that were left out of the index, and say how images grow.

    How many processes train from here on is recorded in the run's folder.

    Raises:
        UserError: the record of earlier numbers is damaged.
        StorageError: it could not be written for too long.
    """
    order, state, training, evaluation = run.order, run.state, run.inputs.training, run.inputs.evaluation
    if run.world.leads:
        for index in (training.index, evaluation.index):
            for path, reason in index.left_out:
                run.left_out(path, reason)
        until_it_works(
            lambda: worker_counts.record(run.folder.worker_counts, state.step, run.world.size),
            run.plan.checkpoint.wait_seconds,
            str(run.folder.worker_counts),
        )
    run.world.tell(
        "run",
        step=state.step,
        total_steps=order.total_steps,
        steps_per_epoch=order.steps_per_epoch,
        epochs=run.plan.train.epochs,
        workers=run.world.size,
        most_workers=max(1, run.plan.workers.count),
        shares=run.shares.rows(),
        device=str(run.world.device),
        parameters=sum(p.numel() for p in run.model.parameters()),
        train=order.n,
        validation=len(evaluation.index),
        classes=len(run.plan.data.classes),
        top1=state.metrics.get("top1"),
    )
    if run.inputs.growth is not None:
        sizes = run.inputs.growth.described(run.plan.train.epochs)
        run.world.tell("note", text=f"images grow: {sizes} pixels; evaluated at {run.plan.format.size}")
