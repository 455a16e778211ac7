"""Plan -> Ray Train -> outcome, with the terminal kept for the user."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from imgcls.interrupts import Interrupts, Stopping, handled
from imgcls.on_ray import cluster
from imgcls.on_ray.fitting import Job, own_errors, raise_worker_errors, trainer
from imgcls.on_ray.lookout import Lookout
from imgcls.on_ray.processes import kill_descendants
from imgcls.on_ray.resources import cpus_on
from imgcls.on_ray.room import Room
from imgcls.plan import Plan
from imgcls.report.events import EventFollower
from imgcls.run_folder import RunFolder

_POLL = 0.05  # seconds between looks at the event file
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
    workers = plan.workers
    ray_for_it = cluster.own(folder, workers) if address is None else cluster.joined(folder, workers, address)
    interrupts = Interrupts(stopping, _end_at_once, folder.ask_to_stop)
    with handled(interrupts), ray_for_it:
        # Ray's driver half; importing it here kept the cluster's start from waiting for it
        emit({"kind": "phase", "time": time.time(), "name": "Ray started"})
        if address is not None:
            cpus = cpus_on(cluster.nodes(), workers)
        return _follow(Job(plan, folder, cpus, address is not None), emit, interrupts)


def _end_at_once(code: int) -> None:
    kill_descendants()
    # not by an exception: a thread that is still inside Ray would have Ray end this process in its own way
    os._exit(code)


def _follow(job: Job, emit: Callable[[Mapping[str, Any]], None], interrupts: Interrupts) -> bool:
    """Run the trainer in a thread, so that Ctrl-C reaches our handler, and pass events on until it ends."""
    failure: list[BaseException] = []
    trainer = threading.Thread(target=_fit, args=(job, failure), daemon=True)
    follower = EventFollower(job.folder.events)
    lookout = Lookout(job.folder, emit)
    room = Room(job.plan.workers, job.cpus, cluster.nodes, emit) if job.shared else None
    last, begun = "", False
    trainer.start()
    deadline: float | None = None
    while True:
        ended = not trainer.is_alive()
        for event in follower.new():
            emit(lookout.heard(event))
            last = str(event["kind"])
            begun = begun or last == "run"
            if room is not None:
                room.heard(event)
        lookout.look()
        if room is not None:
            room.look()
        if interrupts.requested:
            job.folder.ask_to_stop()
        if not begun and job.folder.is_stop_asked():
            interrupts.end_at_once()
        if ended or (deadline is not None and time.monotonic() > deadline):
            break
        if deadline is None and own_errors(job.folder):
            deadline = time.monotonic() + _GRACE
        time.sleep(_POLL)
    raise_worker_errors(job, failure)
    return last == "finished"


def _fit(job: Job, failure: list[BaseException]) -> None:
    try:
        trainer(job).fit()
    except BaseException as error:  # noqa: BLE001 (raised in the main thread; Ray raises SystemExit too)
        failure.append(error)
