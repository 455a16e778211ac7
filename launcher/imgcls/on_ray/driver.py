"""Plan -> Ray Train -> outcome, with the terminal kept for the user."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from imgcls.errors import UserError
from imgcls.interrupts import Interrupts, Stopping, handled
from imgcls.on_ray import cluster
from imgcls.on_ray.fence import supersede
from imgcls.on_ray.fitting import Job, own_errors, raise_worker_errors, trainer
from imgcls.on_ray.home import home
from imgcls.on_ray.lookout import Lookout
from imgcls.on_ray.processes import kill_descendants
from imgcls.on_ray.reach import others
from imgcls.on_ray.rejoin import Following, wait_until_back
from imgcls.on_ray.resources import cpus_on
from imgcls.on_ray.room import Room
from imgcls.on_ray.silence import Silence
from imgcls.plan import Plan
from imgcls.report.events import Event, EventFollower
from imgcls.run_folder import RunFolder

_POLL = 0.05  # seconds between looks at the event file
_RETURN = 120.0  # seconds that the nodes of a run that goes on have to come back
_LOOK = 1.0  # seconds between looks at them
_GRACE = 15.0  # seconds for the other workers to end after one had an error


def run(
    plan: Plan,
    folder: RunFolder,
    cpus: float,
    emit: Callable[[Mapping[str, Any]], None],
    stopping: Stopping,
    address: str | None = None,
) -> bool:
    """Train on Ray workers; return whether the run came to its end.

    Args:
        plan: of the run; also in the folder, where the workers read it.
        folder: of the run.
        cpus: of each worker; on a cluster that is joined, they are found there.
        emit: takes events.
        stopping: called with False at the first Ctrl-C or SIGTERM, after which the workers end with a checkpoint,
            and with True at the second, or where there is nothing to save yet: this process then ends at once;
            and with the exit code.
        address: HOST:PORT of a cluster to join; None: Ray is started here, for this run alone.

    Raises:
        UserError: a worker met something that the user can mend; Ray cannot be started here, or not be joined;
            fewer workers fit than the run goes on with.
        WorkerError: a worker had another error, or died more often than the recipe allows.
    """
    interrupts = Interrupts(stopping, _end_at_once, folder.ask_to_stop)
    following = Following(folder, address, EventFollower(folder.events), emit, interrupts)
    with handled(interrupts):
        with _ray(plan, following):
            # Ray's driver half; importing it here kept the cluster's start from waiting for it
            emit({"kind": "phase", "time": time.time(), "name": "Ray started"})
            if address is not None:
                cpus = _cpus_there(plan, folder, emit, interrupts)
                _examine(plan, folder, cpus, emit, interrupts)
            finished = _train(plan, cpus, following)
        while finished is None:
            finished = _train_again(plan, cpus, following)
    return finished


def _ray(plan: Plan, following: Following) -> AbstractContextManager[None]:
    if following.address is None:
        return cluster.own(following.folder, plan.workers)
    supersede(following.folder)
    return cluster.joined(following.folder, plan.workers, following.address)


def _train(plan: Plan, cpus: float, following: Following) -> bool | None:
    shared = following.address is not None
    with home(following.folder, shared=shared) as ours:
        job = Job(plan, following.folder, cpus, shared, home=ours)
        with _silence(job, following.emit) as silence:
            return _follow(job, following, silence)


@contextmanager
def _silence(job: Job, emit: Callable[[Event], None]) -> Iterator[Silence | None]:
    """Look at the other nodes; None: there are none, or what a range of workers does about them tells."""
    if not job.shared or job.plan.workers.elastic:
        yield None
        return
    silence = Silence(others(), emit)
    silence.reach.start()
    try:
        yield silence
    finally:
        silence.reach.stop()


def _train_again(plan: Plan, cpus: float, following: Following) -> bool | None:
    """Wait for the cluster, and go on there; None: it is gone once more."""
    last = wait_until_back(following)
    if last in ("finished", "stopped"):
        return last == "finished"
    with ExitStack() as joined:
        try:
            joined.enter_context(_ray(plan, following))
        except UserError:  # what was true a moment ago
            return None
        return _train(plan, cpus, following)


def _cpus_there(
    plan: Plan, folder: RunFolder, emit: Callable[[Mapping[str, Any]], None], interrupts: Interrupts
) -> float:
    """Return the CPUs of each worker on a cluster.

    A run that goes on has had its nodes: where they are too few now, as after the start of a new head, they are
    waited for.

    Raises:
        UserError: too few workers fit.
    """
    end = time.monotonic() + (_RETURN if folder.has_work else 0.0)
    told = False
    while True:
        try:
            return cpus_on(cluster.nodes(), plan.workers)
        except UserError as error:
            if time.monotonic() >= end:
                raise
            if not told:
                text = f"{error}; waiting up to {_RETURN:.0f} s for nodes that come back"
                emit({"kind": "note", "time": time.time(), "text": text})
                told = True
        if interrupts.requested:
            interrupts.end_at_once()
        time.sleep(_LOOK)


def _examine(
    plan: Plan, folder: RunFolder, cpus: float, emit: Callable[[Mapping[str, Any]], None], interrupts: Interrupts
) -> None:
    from imgcls.on_ray.examine_before import examine_before

    examine_before(plan, folder, cpus, emit, interrupts)
    emit({"kind": "phase", "time": time.time(), "name": "nodes examined"})


def _end_at_once(code: int) -> None:
    kill_descendants()
    # not by an exception: a thread that is still inside Ray would have Ray end this process in its own way
    os._exit(code)


def _follow(job: Job, following: Following, silence: Silence | None) -> bool | None:
    """Run the trainer in a thread, so that Ctrl-C reaches our handler, and pass events on until it ends.

    Returns:
        Whether the run came to its end; None: the cluster is gone.
    """
    emit, interrupts, address = following.emit, following.interrupts, following.address
    failure: list[BaseException] = []
    trainer = threading.Thread(target=_fit, args=(job, failure), daemon=True)
    lookout = Lookout(job.folder, emit)
    room = Room(job.plan.workers, job.cpus, cluster.nodes, emit) if job.shared else None
    last, begun = "", False
    trainer.start()
    deadline: float | None = None
    while True:
        ended = not trainer.is_alive()
        for event in following.follower.new():
            emit(lookout.heard(event))
            last = str(event["kind"])
            # after a failure there is nothing to save until the workers have begun again
            begun = last == "run" or (begun and last != "failure")
            if room is not None:
                room.heard(event)
        lookout.look()
        if room is not None:
            room.look()
        if silence is not None:
            silence.look()
        if interrupts.requested:
            job.folder.ask_to_stop()
        if not begun and job.folder.is_stop_asked():
            interrupts.end_at_once()
        if ended or (deadline is not None and time.monotonic() > deadline):
            break
        if deadline is None and own_errors(job.folder):
            deadline = time.monotonic() + _GRACE
        time.sleep(_POLL)
    if failure and address is not None and not own_errors(job.folder) and cluster.is_gone(address):
        return True if last == "finished" else None
    raise_worker_errors(job, failure)
    return last == "finished"


def _fit(job: Job, failure: list[BaseException]) -> None:
    try:
        trainer(job).fit()
    except BaseException as error:  # noqa: BLE001 (raised in the main thread; Ray raises SystemExit too)
        failure.append(error)
