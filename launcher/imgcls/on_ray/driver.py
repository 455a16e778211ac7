"""Plan -> Ray Train -> outcome, with the terminal kept for the user."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgcls.errors import UserError, WorkerError
from imgcls.interrupts import Interrupts, Stopping, handled
from imgcls.on_ray import cluster
from imgcls.on_ray.lookout import Lookout
from imgcls.on_ray.processes import kill_descendants
from imgcls.on_ray.resources import cpus_on
from imgcls.on_ray.room import Room
from imgcls.on_ray.worker import work
from imgcls.plan import Plan
from imgcls.report.events import EventFile, EventFollower
from imgcls.run_folder import RunFolder, read_json

_POLL = 0.05  # seconds between looks at the event file
_LOOK_EVERY = 10.0  # seconds between looks for room for more workers; growing costs a start of all of them
_GRACE = 15.0  # seconds for the other workers to end after one had an error


@dataclass(frozen=True)
class _Job:
    plan: Plan
    folder: RunFolder
    cpus: float
    shared: bool


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
        return _follow(_Job(plan, folder, cpus, address is not None), emit, interrupts)


def _end_at_once(code: int) -> None:
    kill_descendants()
    # not by an exception: a thread that is still inside Ray would have Ray end this process in its own way
    os._exit(code)


def _follow(job: _Job, emit: Callable[[Mapping[str, Any]], None], interrupts: Interrupts) -> bool:
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
        if deadline is None and _own_errors(job.folder):
            deadline = time.monotonic() + _GRACE
        time.sleep(_POLL)
    _raise_worker_errors(job, failure)
    return last == "finished"


def _fit(job: _Job, failure: list[BaseException]) -> None:
    try:
        _trainer(job).fit()
    except BaseException as error:  # noqa: BLE001 (raised in the main thread; Ray raises SystemExit too)
        failure.append(error)


def _trainer(job: _Job) -> Any:
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig, UserCallback
    from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
    from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    workers = job.plan.workers
    gpus = int(ray.cluster_resources().get("GPU", 0))
    if 0 < gpus < workers.fewest:
        raise UserError(f"{workers.fewest} workers, but there are {gpus} GPUs; start at most that many")

    class Trainer(DataParallelTrainer):
        # TorchTrainer's only addition is a process group, which our worker makes itself: importing it
        # brings torch into the driver and the controller, 3 s each

        def _create_default_callbacks(self) -> list[Any]:
            # two processes that each import Ray Train: one hands out Ray Datasets, the other tidies up
            # on clusters that outlive their driver
            needless = (DatasetsCallback, *(() if job.shared else (PlacementGroupCleanerCallback,)))
            return [c for c in super()._create_default_callbacks() if not isinstance(c, needless)]

        def _initialize_and_run_controller(self, **parts: Any) -> Any:
            if workers.elastic:
                from imgcls.on_ray.elastic import FreshlyCounted

                parts["scaling_policy"] = FreshlyCounted(self.scaling_config)
            return super()._initialize_and_run_controller(**parts)

    class Watcher(UserCallback):
        def __init__(self, events: str) -> None:
            self.events = events

        def after_exception(self, run_context: Any, worker_exceptions: Mapping[int, Exception]) -> None:  # noqa: ARG002
            EventFile(Path(self.events)).tell("failure", text=_deaths(worker_exceptions))

    return Trainer(
        work,
        train_loop_config={"folder": str(job.folder.path.absolute()), "cpus": job.cpus if job.shared else None},
        scaling_config=ScalingConfig(
            num_workers=(workers.fewest, workers.count) if workers.elastic else workers.count,
            elastic_resize_monitor_interval_s=_LOOK_EVERY,
            use_gpu=gpus > 0,
            resources_per_worker={"CPU": job.cpus, **({"GPU": 1} if gpus else {})},
        ),
        run_config=RunConfig(
            name="train",
            storage_path=str((job.folder.logs / "ray-train").absolute()),
            failure_config=FailureConfig(max_failures=workers.max_failures),
            callbacks=[Watcher(str(job.folder.events.absolute()))],
        ),
    )


def _deaths(exceptions: Mapping[int, Exception]) -> str:
    """Say which workers died; those that only lost their connection to them are left out."""
    died = {r: e for r, e in exceptions.items() if "Actor" in type(e).__name__ or "died" in str(e)} or exceptions
    ranks = ", ".join(str(rank) for rank in sorted(died))
    return f"worker {ranks} died; starting again from the last checkpoint"


def _own_errors(folder: RunFolder) -> list[dict[str, Any]]:
    """Return what workers recorded of their own errors, the earliest first."""
    records = [read_json(path) for path in folder.errors.glob("*.json")]
    return sorted((record for record in records if not record["collateral"]), key=lambda record: record["time"])


def _raise_worker_errors(job: _Job, failure: list[BaseException]) -> None:
    own = _own_errors(job.folder)
    if own:
        first = own[0]
        if first["user"]:
            raise UserError(first["text"])
        raise WorkerError(f"worker {first['rank']} on {first['host']}:\n{first['text']}")
    if failure:
        error = failure[0]
        if isinstance(error, UserError):
            raise error
        lines = str(error).strip().splitlines()
        last = next((line for line in reversed(lines) if line.strip()), type(error).__name__)
        raise WorkerError(
            f"the workers were started {job.plan.workers.max_failures + 1} times and ended each time: "
            f"{last.strip()}\nlogs: {job.folder.logs}"
        )
