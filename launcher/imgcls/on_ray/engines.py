"""How a trial's run is carried out: in the trial's own process, or by workers of Ray Train."""

import contextlib
import os
import queue
import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol

from imgcls.errors import UserError, WorkerError
from imgcls.hang import Place
from imgcls.on_ray.presence import is_anyone_present
from imgcls.plan import Plan
from imgcls.report.events import Event, EventFile, EventFollower
from imgcls.run_folder import RunFolder
from imgcls.train.environment import prepare_environment

_POLL = 0.05  # seconds between looks at an event file
_LOCK_PATIENCE = 60.0  # seconds that a trial of an ended search may take to let go of its run
_LOCK_LOOK = 0.2
_END_PATIENCE = 20.0
_END_LOOK = 0.1
_LOUD = ("evaluation", "finished", "stopped")


class Engine(Protocol):
    """Carries out one run after the other."""

    def begin(self, plan: Plan, folder: RunFolder) -> None:
        """Begin a run, or go on with it."""

    def next(self) -> Event | None:
        """Wait for the next evaluation, or the end; None once the run has ended.

        Raises:
            UserError: what the user can mend.
            WorkerError: another error of the program.
        """

    def end(self) -> None:
        """End the run now, whatever it does, and return when nothing of it is left."""


class InProcess:
    """Runs in this process, in a thread that stays, so that the next run finds all libraries warm."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._job: _Job | None = None

    def begin(self, plan: Plan, folder: RunFolder) -> None:
        """Begin a run, or go on with it."""
        self.end()
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="trial", daemon=True)
            self._thread.start()
        self._job = _Job(plan, folder)
        self._jobs.put(self._job)

    def next(self) -> Event | None:
        """Wait for the next evaluation, or the end."""
        job = self._job
        assert job is not None, "no run has begun"
        return job.next()

    def end(self) -> None:
        """Let the run end with a checkpoint at its next look."""
        if self._job is not None:
            self._job.end()
            self._job = None

    def _serve(self) -> None:
        while True:
            self._jobs.get().carry_out()


class _Job:
    """A run in this process. Made and asked by the trial's thread, carried out by another."""

    def __init__(self, plan: Plan, folder: RunFolder) -> None:
        self.plan = plan
        self.folder = folder
        # one: training is at most an evaluation ahead of what is made of the last
        self.events: queue.Queue[Event] = queue.Queue(1)
        self.to_end = threading.Event()
        self.over = threading.Event()
        self.error: BaseException | None = None

    def next(self) -> Event | None:
        while True:
            with contextlib.suppress(queue.Empty):
                return self.events.get(timeout=_POLL)
            if self.over.is_set() and self.events.empty():
                if self.error is not None:
                    raise self.error
                return None

    def end(self) -> None:
        self.to_end.set()
        self.over.wait()

    def carry_out(self) -> None:
        try:
            with locked(self.folder):
                self.folder.begin()
                self._train()
        except BaseException as error:  # noqa: BLE001 (raised in the trial's thread)
            self.error = error
        finally:
            self.over.set()

    def _train(self) -> None:
        from imgcls.on_ray.worker import print_to

        print_to(self.folder.logs / "worker-0.log")
        prepare_environment()
        from imgcls.train.loop import train
        from imgcls.train.watch import Watch
        from imgcls.train.world import World, pick_device

        hang_after = self.plan.workers.hang_after
        watch = Watch(self.folder, 0, 1, hang_after, hung=_end_process).start()
        file = EventFile(self.folder.events)

        def emit(event: Mapping[str, Any]) -> None:
            file.write(event)
            if event["kind"] in _LOUD:
                self._hand_over(event)

        try:
            world = World(
                emit=emit,
                stop_requested=lambda: self.to_end.is_set() or self.folder.is_stop_asked(),
                device=pick_device(0),
                pulse=watch.pulse,
            )
            train(self.plan, self.folder, world)
        finally:
            watch.close()

    def _hand_over(self, event: Event) -> None:
        while not self.to_end.is_set():
            with contextlib.suppress(queue.Full):
                self.events.put(event, timeout=_POLL)
                return


class OnWorkers:
    """Runs on workers of Ray Train, which are started for each and leave nothing behind."""

    def __init__(self, cpus: float) -> None:
        self._cpus = cpus
        self._fit: _Fit | None = None

    def begin(self, plan: Plan, folder: RunFolder) -> None:
        """Begin a run, or go on with it."""
        self.end()
        self._fit = _Fit(plan, folder, self._cpus)

    def next(self) -> Event | None:
        """Wait for the next evaluation, or the end."""
        assert self._fit is not None, "no run has begun"
        return self._fit.next()

    def end(self) -> None:
        """End the run: its workers and its placement group are gone when this returns."""
        if self._fit is not None:
            self._fit.end()
            self._fit = None


class _Fit:
    """A trainer in a thread."""

    def __init__(self, plan: Plan, folder: RunFolder, cpus: float) -> None:
        from imgcls.on_ray.fitting import Job, trainer

        self._job = Job(plan, folder, cpus, shared=False, watched=True)
        self._held = contextlib.ExitStack()
        self._held.enter_context(locked(folder))
        folder.begin()
        self._failure: list[BaseException] = []
        self._controllers: list[Any] = []
        self._follower = EventFollower(folder.events)
        self._waiting: list[Event] = []
        self._trainer = trainer(self._job, self._controllers.append)
        self._thread = threading.Thread(target=self._carry_out, name="trainer", daemon=True)
        self._thread.start()

    def _carry_out(self) -> None:
        try:
            self._trainer.fit()
        except BaseException as error:  # noqa: BLE001 (raised in the trial's thread; Ray raises SystemExit too)
            self._failure.append(error)

    def next(self) -> Event | None:
        from imgcls.on_ray.fitting import raise_worker_errors

        while not self._waiting:
            over = not self._thread.is_alive()
            self._waiting += [event for event in self._follower.new() if event["kind"] in _LOUD]
            if over and not self._waiting:
                self._held.close()
                raise_worker_errors(self._job, self._failure)
                return None
            time.sleep(_POLL if not self._waiting else 0)
        return self._waiting.pop(0)

    def end(self) -> None:
        import ray

        from imgcls.on_ray.orphans import remove_orphans

        end = time.monotonic() + _END_PATIENCE
        is_left = True
        while is_left and time.monotonic() < end:
            # the controller's own abort is not heard while it waits for room, which may be for minutes
            for controller in self._controllers:
                with contextlib.suppress(Exception):  # it has ended: that is what is wanted
                    ray.kill(controller)
            self._thread.join(_END_LOOK)
            orphans = remove_orphans()
            is_left = self._thread.is_alive() or orphans > 0 or is_anyone_present(self._job.folder.path)
        self._held.close()


@contextlib.contextmanager
def locked(folder: RunFolder) -> Any:
    """Hold a run's folder; one that a search held which has just been killed is waited for, and its workers' end.

    Raises:
        WorkerError: it is not let go of.
    """
    end = time.monotonic() + _LOCK_PATIENCE
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(folder.locked())
                break
            except UserError as error:
                if time.monotonic() > end:
                    raise WorkerError(str(error)) from None
                time.sleep(_LOCK_LOOK)
        while is_anyone_present(folder.path):
            if time.monotonic() > end:
                raise WorkerError(f"{folder.path}: workers of an ended search are still at it; end them")
            time.sleep(_LOCK_LOOK)
        yield


def _end_process(_place: Place, _seconds: float) -> None:
    os._exit(1)  # a new process goes on from the last checkpoint


def has_nothing_to_save(folder: RunFolder) -> bool:
    """Whether a run has stopped or come to its end, or has not begun to train: it may still wait for room."""
    kinds = [str(event["kind"]) for event in EventFollower(folder.events).new()]
    return "run" not in kinds or kinds[-1] in ("stopped", "finished")
