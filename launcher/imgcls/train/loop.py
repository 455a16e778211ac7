"""The training loop. Read this first."""

import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.utils.deterministic
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from imgcls.data.loader import Batch, evaluation_batches, training_batches
from imgcls.data.pipeline import Machine
from imgcls.plan import Plan
from imgcls.run_folder import RunFolder, write_whole
from imgcls.train import build
from imgcls.train.checkpoint import Checkpoints, State
from imgcls.train.evaluate import evaluate
from imgcls.train.journal import Journal
from imgcls.train.left_out import LeftOut
from imgcls.train.meter import Meter
from imgcls.train.step import autocast, seed_step, set_rate, train_step
from imgcls.train.world import World, set_threads


@dataclass(frozen=True)
class Outcome:
    """How a run ended: finished, or asked to stop at a step."""

    finished: bool
    step: int


def train(plan: Plan, folder: RunFolder, world: World) -> Outcome:
    """Train as planned, from the newest checkpoint in the folder if there is one. Called on every rank.

    What a callback sees, in order::

        run_began
        for each epoch:
            epoch_began
            for each step:
                forward, loss, backward, optimizer
                step_ended
                checkpoint_saved        (where a checkpoint is due)
            evaluated                   (where an evaluation is due)
            epoch_ended
            checkpoint_saved
        run_ended

    Raises:
        UserError: what the user can mend, such as an image that cannot be decoded.
    """
    run = Run(plan, folder, world)
    try:
        return run.to_the_end()
    finally:
        run.close()


class Run:
    """A run on one rank: what callbacks are given.

    Attributes:
        plan, folder, world: as given to :func:`train`.
        model: the bare model. On rank 0 its buffers (batch norm's statistics) are the run's.
        optimizer: its learning rates are set before each step.
        state: where the run is.
    """

    def __init__(self, plan: Plan, folder: RunFolder, world: World) -> None:
        self.plan = plan
        self.folder = folder
        self.world = world
        threads = set_threads(plan.workers.cpus, world.size)
        _set_determinism(plan.train.deterministic)
        self.precision = autocast(plan.train.precision, world.device)
        if plan.train.precision == "bf16" and world.device.type == "cpu" and plan.train.deterministic:
            self._warn("bf16 on a CPU does not repeat bit for bit (torch 2.13); float32 does")
        self.inputs = build.inputs(plan)
        self.order = self.inputs.order
        self.left_out = LeftOut(folder.left_out, self._warn_from_any_rank)
        self.lost = self.left_out if plan.data.on_bad_image == "skip" else None
        self.machine: Machine = build.machine(plan.loading, world.device, threads)
        self.model = build.model(plan, world.device)
        self.optimizer = build.optimizer(plan, self.model)
        self.loss = build.loss(plan, world.device)
        self.rate = build.schedule(plan, self.order)
        self.callbacks = build.callbacks(plan)
        self.checkpoints = Checkpoints(folder.checkpoints, plan.checkpoint.keep, self._warn)
        self.journal = Journal(folder.metrics, build.trackers(plan, folder.path, world))
        found = self._newest_checkpoint()
        if found < 0:
            self._start()
        self.parallel = self._parallel()
        self.state = self._restored(found)
        self.meter = Meter(world)
        self._began = time.monotonic() - self.state.seconds

    def _warn(self, message: str) -> None:
        self.world.tell("warning", text=message)

    def _warn_from_any_rank(self, message: str) -> None:
        self.world.emit({"kind": "warning", "time": time.time(), "text": message})

    def _parallel(self) -> nn.Module:
        if self.world.size == 1:
            return self.model
        # buffers: rank 0's are the run's, and are handed out before an evaluation rather than at each step
        parallel = DistributedDataParallel(self.model, broadcast_buffers=False, gradient_as_bucket_view=True)
        if self.world.size > 2:
            self._settle_buckets(parallel)
        return parallel

    def _settle_buckets(self, parallel: nn.Module) -> None:
        """Let DDP rebuild its buckets before the first real step.

        It orders them by the first backward pass. A sum of three or more gradients depends on their place in a
        bucket, so a continued run would differ in its first step from one that was never interrupted.
        """
        form = self.plan.format
        # forward passes move the statistics of batch norm
        buffers = {name: buffer.clone() for name, buffer in self.model.named_buffers()}
        images = torch.zeros(2, form.channels, form.size, form.size, device=self.world.device)
        for _ in range(2):
            parallel(images).sum().backward()
        self.optimizer.zero_grad(set_to_none=True)
        for name, buffer in self.model.named_buffers():
            buffer.copy_(buffers[name])

    def _newest_checkpoint(self) -> int:
        if self.world.leads:
            self.checkpoints.sweep()
        return self.world.from_leader(self.checkpoints.newest_valid() if self.world.leads else 0)

    def _start(self) -> None:
        """Load the weights that the run starts from, on rank 0: building the parallel model hands them out."""
        for line in build.start(self.plan, self.model) if self.world.leads else []:
            self.world.tell("note", text=line)

    def _restored(self, step: int) -> State:
        state = State() if step < 0 else self.checkpoints.restore(step, self.model, self.optimizer)
        if self.world.leads:
            self.journal.rewind(state.step)
        return state

    @property
    def epoch(self) -> int:
        """The epoch that the next step belongs to, from 0."""
        return self.state.step // self.order.steps_per_epoch

    def to_the_end(self) -> Outcome:
        """Make all steps that are left."""
        gc.collect()
        gc.freeze()  # what is there by now stays: later collections need not look at it, and take no time
        self._announce()
        for callback in self.callbacks:
            callback.run_began(self)
        stopped = self._train()
        if stopped:
            self._save()
        self._finish_writing()
        for callback in self.callbacks:
            callback.run_ended(self)
        if not stopped and self.world.leads:
            write_whole(self.folder.result, self._result())
        self.world.wait()
        self.world.tell("stopped" if stopped else "finished", step=self.state.step)
        return Outcome(not stopped, self.state.step)

    def close(self) -> None:
        """Wait for what is being written, and let go of trackers."""
        gc.unfreeze()
        if self.world.leads:
            self.checkpoints.finish()
            self.journal.close()

    def _announce(self) -> None:
        order, state = self.order, self.state
        if self.world.leads:
            for index in (self.inputs.training.index, self.inputs.evaluation.index):
                for path, reason in index.left_out:
                    self.left_out(path, reason)
        self.world.tell(
            "run",
            step=state.step,
            total_steps=order.total_steps,
            steps_per_epoch=order.steps_per_epoch,
            epochs=self.plan.train.epochs,
            workers=self.world.size,
            device=str(self.world.device),
            parameters=sum(p.numel() for p in self.model.parameters()),
            train=order.n,
            validation=len(self.inputs.evaluation.index),
            classes=len(self.plan.data.classes),
            top1=state.metrics.get("top1"),
        )

    def _train(self) -> bool:
        """Make the steps; return whether the user asked to stop."""
        per_epoch = self.order.steps_per_epoch
        if self.state.step and self.state.step % per_epoch == 0 and self.state.epochs_ended < self.epoch:
            self._end_epoch()  # it was stopped between the last step and the evaluation
        if self.state.step == self.order.total_steps:
            return False
        self._begin_epoch()
        world = self.world
        batches = training_batches(
            self.inputs.training, self.order, self.state.step, world.rank, world.size, self.machine, self.lost
        )
        for batch in batches:
            self._step(batch)
            stop = self._sync() if self._sync_is_due() else False
            if stop:
                return True
            if self.state.step % per_epoch == 0:
                self._end_epoch()
                if self.state.step < self.order.total_steps:
                    self._begin_epoch()
            elif self._is_due(self.plan.checkpoint.every_steps, self.state.step):
                self._save()
        return False

    def _begin_epoch(self) -> None:
        for callback in self.callbacks:
            callback.epoch_began(self)

    def _step(self, batch: Batch) -> None:
        plan, world, step = self.plan, self.world, self.state.step
        set_rate(self.optimizer, self.rate(step))
        seed_step(plan.seed, step, world.rank)
        share = len(batch.labels) * world.size / batch.place.batch_size
        images, targets = self.inputs.mixing(batch)
        loss, logits = train_step(self.parallel, self.loss, self.optimizer, images, targets, share, self.precision)
        # of a mixed image, the class that most of it is of counts as right
        self.meter.add(loss, logits, targets if targets.ndim == 1 else targets.argmax(1))
        self.state.step += 1
        if step == 0 or self.meter.steps == 1:
            world.tell("step", step=self.state.step)
        for callback in self.callbacks:
            callback.step_ended(self)

    @staticmethod
    def _is_due(every: int | None, count: int) -> bool:
        return every is not None and count % every == 0

    def _sync_is_due(self) -> bool:
        step, per_epoch = self.state.step, self.order.steps_per_epoch
        return (
            self.meter.is_due
            or step % per_epoch == 0
            or self._is_due(self.plan.train.log_every, step)
            or self._is_due(self.plan.checkpoint.every_steps, step)
        )

    def _sync(self) -> bool:
        """Add up all ranks' figures since the last time, log them, and agree on whether to stop."""
        state, world = self.state, self.world
        sums, stop = self.meter.collect(world.leads and world.stop_requested())
        state.loss_sum += sums.loss
        state.correct += sums.correct
        state.seen += sums.seen
        state.log_loss += sums.loss
        state.log_seen += sums.seen
        state.seconds = time.monotonic() - self._began
        epoch = (state.step - 1) // self.order.steps_per_epoch
        if self._is_due(self.plan.train.log_every, state.step):
            self._log_updates(epoch + 1)
        world.tell(
            "progress",
            step=state.step,
            epoch=epoch + 1,
            loss=state.loss_sum / state.seen,
            accuracy=100 * state.correct / state.seen,
            images_per_second=sums.seen / sums.seconds,
            lr=self._rate_now(),
        )
        return stop

    def _log_updates(self, epoch: int) -> None:
        state = self.state
        if self.world.leads:
            loss = _rounded(state.log_loss / state.log_seen)
            self.journal.log("train", state.step, epoch, loss=loss, lr=self._rate_now())
        state.log_loss, state.log_seen = 0.0, 0

    def _rate_now(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def _end_epoch(self) -> None:
        state, plan = self.state, self.plan
        number = state.step // self.order.steps_per_epoch
        if self.world.leads:
            mean, share = state.loss_sum / state.seen, 100 * state.correct / state.seen
            self.journal.log(
                "epoch", state.step, number, loss=_rounded(mean), accuracy=_rounded(share), n=state.seen
            )
        if self._is_due(plan.train.evaluate_every, number) or state.step == self.order.total_steps:
            self._evaluate(number)
        state.epochs_ended = number
        state.loss_sum, state.correct, state.seen = 0.0, 0, 0
        for callback in self.callbacks:
            callback.epoch_ended(self)
        last, best = state.step == self.order.total_steps, state.step == state.best_step
        if self._is_due(plan.checkpoint.every_epochs, number) or last or best:
            self._save()
        self.meter.restart_clock()

    def _evaluate(self, number: int) -> None:
        world, state, size = self.world, self.state, self.plan.train.eval_batch_size
        self.world.tell("evaluating", epoch=number)
        world.share(list(self.model.buffers()))
        batches = evaluation_batches(self.inputs.evaluation, size, world.rank, world.size, self.machine, self.lost)
        classes = len(self.plan.data.classes)
        flip = self.plan.train.eval_flip
        score = evaluate(self.model, batches, size, classes, self.precision, world, flip)
        gc.collect()  # a DALI pipeline refers to itself, and would keep its batches and threads for long
        state.metrics = score.metrics()
        if state.metrics["top1"] > state.best_top1:
            state.best_top1, state.best_step = state.metrics["top1"], state.step
        if world.leads:
            self.journal.log("evaluation", state.step, number, **_all_rounded(state.metrics))
        world.tell("evaluation", epoch=number, step=state.step, **state.metrics)
        for callback in self.callbacks:
            callback.evaluated(self, state.metrics)

    def _save(self) -> None:
        self.state.seconds = time.monotonic() - self._began
        if self.world.leads:
            self.checkpoints.save(self.model, self.optimizer, self.state, self.plan.to_json())
        for callback in self.callbacks:
            callback.checkpoint_saved(self)

    def _finish_writing(self) -> None:
        if self.world.leads:
            self.checkpoints.finish()

    def _result(self) -> str:
        import json

        state = self.state
        seconds = time.monotonic() - self._began
        seen = self.plan.train.epochs * self._samples_per_epoch()
        result = {
            **state.metrics,
            "epochs": self.plan.train.epochs,
            "steps": state.step,
            "seconds": round(seconds, 3),
            "images_per_second": round(seen / seconds, 1),
            "left_out": self.left_out.count(),
            "best_top1": state.best_top1,
            "best_checkpoint": self._relative(state.best_step),
            "checkpoint": self._relative(state.step),
        }
        return json.dumps(result, indent=2) + "\n"

    def _relative(self, step: int) -> str:
        return str(self.checkpoints.path(step).relative_to(self.folder.path))

    def _samples_per_epoch(self) -> int:
        drop = self.plan.train.last_batch == "drop"
        return self.order.steps_per_epoch * self.order.batch_size if drop else self.order.n


def _set_determinism(wanted: bool) -> None:
    torch.backends.cudnn.benchmark = not wanted
    torch.backends.cudnn.deterministic = wanted
    # an operator without a deterministic form is named in the worker's log, not refused; the better known
    # use_deterministic_algorithms does the same, and imports torch's compiler, over a second
    torch.set_deterministic_debug_mode("warn" if wanted else "default")
    # the loop reads no memory that it has not written
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _rounded(value: float) -> float:
    # sums over ranks are added in an order that the time between looks decides; that is 1e-16, not 1e-6
    return round(value, 6)


def _all_rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    return {key: _rounded(value) if isinstance(value, float) else value for key, value in metrics.items()}
