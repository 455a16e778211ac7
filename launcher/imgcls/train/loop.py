"""The training loop. Read this first."""

import gc
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from imgcls.data.loader import Batch, training_batches
from imgcls.data.pipeline import Machine
from imgcls.errors import UserError
from imgcls.outage import until_it_works
from imgcls.passes import Shares
from imgcls.plan import Plan
from imgcls.run_folder import RunFolder, write_whole
from imgcls.train import build, peers
from imgcls.train.announce import announce
from imgcls.train.average import MovingAverage
from imgcls.train.checkpoint import Checkpoints, State
from imgcls.train.determinism import set_determinism
from imgcls.train.figures import all_rounded, log_epoch, take
from imgcls.train.journal import Journal
from imgcls.train.keeper import Keeper
from imgcls.train.left_out import LeftOut
from imgcls.train.meter import Meter
from imgcls.train.not_finite import NotFinite, advice, described
from imgcls.train.parallel import in_parallel
from imgcls.train.result import result_of
from imgcls.train.scoring import scored
from imgcls.train.sizes import check_sizes
from imgcls.train.step import Step, autocast, scaler_for, seed_step, set_rate
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
        trained: the model, or with it a second one that learns beside it.
        optimizer: its learning rates are set before each step.
        state: where the run is.
        began: when this run would have begun, had it never been interrupted; seconds of ``time.monotonic``.
    """

    def __init__(self, plan: Plan, folder: RunFolder, world: World) -> None:
        self.plan = plan
        self.folder = folder
        self.world = world
        threads = set_threads(plan.workers.cpus, world.size)
        set_determinism(plan.train.deterministic)
        self.precision = autocast(plan.train.precision, world.device)
        if plan.train.precision == "bf16" and world.device.type == "cpu" and plan.train.deterministic:
            self._warn("bf16 on a CPU does not repeat bit for bit (torch 2.13); float32 does")
        self.inputs = build.inputs(plan)
        self.order = self.inputs.order
        self.shares = Shares(self.order.largest_part, plan.workers, plan.train.accumulate)
        self.left_out = LeftOut(folder.left_out, self.warn_from_any_rank)
        self.lost = self.left_out if plan.data.on_bad_image == "skip" else None
        self.machine: Machine = build.machine(plan.loading, world.device, threads)
        check_sizes(plan)
        self.model = build.model(plan, world.device)
        build.prepare(plan, self.model)
        self.trained = peers.trained(plan, self.model, world.device)
        self.criterion = build.criterion(plan, world.device, self.inputs.training.index)
        self.rate = build.schedule(plan, self.order)
        self.callbacks = build.callbacks(plan)
        self.journal = Journal(folder.metrics, build.trackers(plan, folder.path, world), self._warn)
        # a checkpoint is written after the lines before it: continuing from it would not log them again
        self.checkpoints = Checkpoints(
            folder.checkpoints,
            plan.checkpoint.keep,
            self._warn,
            self._note,
            before=self.journal.flush,
            wait=plan.checkpoint.wait_seconds,
            elsewhere=world.elsewhere,
        )
        found = self._newest_checkpoint()
        if found < 0:
            self._start()
        self.parallel = in_parallel(self.trained, plan.train.parallel, plan.format.training, world)
        self.optimizer = peers.optimizer(plan, self.trained)
        ema = plan.train.ema
        self.average = None if ema is None else MovingAverage(self.model, ema, plan.train.ema_warmup)
        self.step = self._make_step()
        peer = peers.second_of(self.trained)
        self.keeper = Keeper(
            self.checkpoints, self.model, self.optimizer, self.average, self.step.scaler, self.rate, peer
        )
        self.state = self._restored(found)
        self.meter = Meter(world)
        self.save_soon = False
        self.began = time.monotonic() - self.state.seconds

    def _make_step(self) -> Step:
        settings, device = self.plan.train, self.world.device
        if settings.precision == "fp16" and hasattr(self.optimizer, "ascend"):
            name = self.plan.optimizer.name
            raise UserError(
                f'train.precision = "fp16" does not go with the optimizer {name}; set "bf16" or "float32"'
            )
        return Step(
            self.parallel,
            self.criterion,
            self.optimizer,
            self.precision,
            self.shares.passes(self.world.size),
            peers.clipping_each(settings, self.trained, len(self.plan.data.classes)),
            scaler_for(settings.precision, device),
            settings.channels_last,
            self._finite_everywhere if settings.not_finite == "skip" else None,
        )

    def _warn(self, message: str) -> None:
        self.world.tell("warning", text=message)

    def _note(self, message: str) -> None:
        self.world.tell("note", text=message)

    def warn_from_any_rank(self, message: str) -> None:
        """Tell the user of what this rank alone has met."""
        self.world.emit({"kind": "warning", "time": time.time(), "text": message})

    def _newest_checkpoint(self) -> int:
        if self.world.leads:
            self.checkpoints.sweep()
        return self.world.from_leader(self.checkpoints.to_continue_from() if self.world.leads else 0)

    def _start(self) -> None:
        """Load the weights that the run starts from, on rank 0: building the parallel model hands them out."""
        for line in build.start(self.plan, self.model) if self.world.leads else []:
            self._note(line)

    def _restored(self, step: int) -> State:
        state = State() if step < 0 else self.keeper.restore(step)
        if self.world.leads:
            self._in_time(lambda: self.journal.rewind(state.step), self.folder.metrics)
        return state

    def _roll_back(self, step: int) -> None:
        """Go back to the last checkpoint, and pass over a step whose loss is not finite from there on.

        Raises:
            UserError: there is no checkpoint.
        """
        self.world.wait()  # until rank 0 has written what it was writing
        found = self.world.from_leader(self.checkpoints.newest_valid() if self.world.leads else 0)
        if found < 0:
            how = "there is no checkpoint to go back to; set checkpoint.every_steps"
            raise UserError(f"{described(self, step)}\n{how}")
        self._warn(f"{described(self, step)}\ngoing back to step {found}, and passing over that batch")
        passed_over = [*self.state.passed_over, step]
        self.state = self._restored(found)
        self.state.passed_over = passed_over
        self.meter = Meter(self.world)

    def _finite_everywhere(self, loss: Tensor) -> bool:
        return self.world.most(int(not math.isfinite(loss.item()))) == 0

    @property
    def epoch(self) -> int:
        """The epoch that the next step belongs to, from 0."""
        return self.state.step // self.order.steps_per_epoch

    def to_the_end(self) -> Outcome:
        """Make all steps that are left."""
        gc.collect()
        gc.freeze()  # what is there by now stays: later collections need not look at it, and take no time
        announce(self)
        for callback in self.callbacks:
            callback.run_began(self)
        stopped = self._train_from_checkpoints()
        if stopped:
            self._save()
        self.world.pulse(self.state.step, "ending")
        self._finish_writing()
        for callback in self.callbacks:
            callback.run_ended(self)
        self._in_time(self.left_out.flush, self.folder.left_out)
        if self.world.leads:
            self.journal.finish(self.plan.checkpoint.wait_seconds)
        if not stopped and self.world.leads:
            self._in_time(lambda: write_whole(self.folder.result, result_of(self)), self.folder.result)
        if self.world.leads and self.world.elsewhere is not None:
            self._in_time(self.world.elsewhere.publish, self.world.elsewhere.name)
        self.world.wait()
        self.world.tell("stopped" if stopped else "finished", step=self.state.step)
        return Outcome(not stopped, self.state.step)

    def close(self) -> None:
        """Wait for what is being written, and let go of trackers."""
        gc.unfreeze()
        if self.world.leads:
            self.checkpoints.close()
            self.journal.close()

    def _train_from_checkpoints(self) -> bool:
        """Make the steps, perhaps some of them again; return whether the user asked to stop."""
        while True:
            try:
                return self._train()
            except NotFinite as error:
                self._finish_writing()
                if self.plan.train.not_finite != "rollback":
                    raise UserError(advice(self, error.step)) from None
                self._roll_back(error.step)

    def _train(self) -> bool:
        """Make the steps; return whether the user asked to stop.

        Raises:
            NotFinite: a loss is no number.
        """
        per_epoch = self.order.steps_per_epoch
        if self.state.step and self.state.step % per_epoch == 0 and self.state.epochs_ended < self.epoch:
            self._end_epoch()  # it was stopped between the last step and the evaluation
        if self._is_over():
            return False
        self._begin_epoch()
        for batch in self._awaited(self._batches()):
            self._step(batch)
            stop = self._sync() if self._sync_is_due() else False
            if stop:
                return True
            if self.state.step % per_epoch == 0:
                self._end_epoch()
                if self._is_over():
                    break
                self._begin_epoch()
            elif self.save_soon or self._is_due(self.plan.checkpoint.every_steps, self.state.step):
                self._save()
        return False

    def _batches(self) -> Iterator[Batch]:
        """Return this rank's batches from the next step on."""
        world, inputs = self.world, self.inputs
        return training_batches(
            inputs.training,
            self.order,
            self.state.step,
            world.rank,
            world.size,
            self.machine,
            self.lost,
            inputs.growth,
            self.warn_from_any_rank,
        )

    def _awaited(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield batches, and let the watch know what this rank is waiting for."""
        pulse = self.world.pulse
        while True:
            pulse(self.state.step, "reading a batch")
            batch = next(batches, None)
            if batch is None:
                return
            pulse(self.state.step, "forward, backward and update")
            yield batch

    def _is_over(self) -> bool:
        return self.state.step == self.order.total_steps or self.state.stopped_early

    def _begin_epoch(self) -> None:
        for callback in self.callbacks:
            callback.epoch_began(self)

    def _step(self, batch: Batch) -> None:
        plan, world, step = self.plan, self.world, self.state.step
        if step in self.state.passed_over:
            self.state.step += 1
            return
        set_rate(self.optimizer, self.rate(step))
        seed_step(plan.seed, step, world.rank)
        share = len(batch.labels) * world.size / batch.place.batch_size
        images, targets = self.inputs.mixing(batch)
        made = self.step(images, targets, share)
        self.state.step += 1
        if made is None:
            self._warn(f"{described(self, step)}; the update is left out")
            return
        if self.average is not None:
            self.average.update(self.state.step)
        # of a mixed image, the class that most of it is of counts as right
        self.meter.add(step, *made, targets if targets.ndim == 1 else targets.argmax(1))
        if step == 0 or self.meter.steps == 1:
            world.tell("step", step=self.state.step)
        world.pulse(self.state.step, "callbacks")
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
        world.pulse(state.step, "adding up figures")
        notice = world.notice() if world.leads else ""
        if notice:
            self._warn(notice)
        sums, stop = self.meter.collect(world.leads and world.stop_requested(), bool(notice))
        self.save_soon = self.save_soon or sums.save
        if sums.bad >= 0:
            raise NotFinite(sums.bad)
        take(self, sums)
        return stop

    def _end_epoch(self) -> None:
        state, plan = self.state, self.plan
        number = state.step // self.order.steps_per_epoch
        log_epoch(self, number)
        if self._is_due(plan.train.evaluate_every, number) or state.step == self.order.total_steps:
            self._evaluate(number)
        state.epochs_ended = number
        state.loss_sum, state.correct, state.seen = 0.0, 0, 0
        for callback in self.callbacks:
            callback.epoch_ended(self)
        last, best = self._is_over(), state.step == state.best_step
        if self._is_due(plan.checkpoint.every_epochs, number) or last or best:
            self._save()
        self.meter.restart_clock()

    def _evaluate(self, number: int) -> None:
        world, state = self.world, self.state
        world.tell("evaluating", epoch=number)
        world.pulse(state.step, "evaluating")
        state.metrics = scored(self).metrics()
        state.stale += 1
        if state.metrics["top1"] > state.best_top1:
            state.best_top1, state.best_step, state.stale = state.metrics["top1"], state.step, 0
        state.stopped_early = self.plan.train.patience is not None and state.stale >= self.plan.train.patience
        if hasattr(self.rate, "evaluated"):
            self.rate.evaluated(state.metrics)
        if world.leads:
            self.journal.log("evaluation", state.step, number, **all_rounded(state.metrics))
        world.tell("evaluation", epoch=number, step=state.step, **state.metrics)
        for callback in self.callbacks:
            callback.evaluated(self, state.metrics)

    def _save(self) -> None:
        self.state.seconds = time.monotonic() - self.began
        self.world.pulse(self.state.step, "saving a checkpoint")
        self.save_soon = False
        self.keeper.save(self.state, self.plan.to_json(), write=self.world.leads)
        for callback in self.callbacks:
            callback.checkpoint_saved(self)

    def _finish_writing(self) -> None:
        if self.world.leads:
            self.checkpoints.finish()

    def _in_time(self, write: Callable[[], None], file: Path | str) -> None:
        """Write a file of the run, waiting for storage as long as the recipe says."""
        until_it_works(write, self.plan.checkpoint.wait_seconds, str(file))
