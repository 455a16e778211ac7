"""Plan -> Ray Train -> outcome, with the terminal kept for the user."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from imgcls.errors import UserError, WorkerError
from imgcls.on_ray.processes import guarded, kill_descendants
from imgcls.on_ray.worker import work
from imgcls.plan import Plan
from imgcls.report.events import EventFile, EventFollower
from imgcls.run_folder import RunFolder, read_json

_SETTINGS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # how soon a dead worker and the end of a run are noticed
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # a process more, of no use on a cluster of our own
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "300",  # sixteen workers on two CPUs take over a minute
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # print() would reach a worker's log twice
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_OBJECT_STORE = 100_000_000  # bytes; nothing large passes through it
_POLL = 0.05  # seconds between looks at the event file
# Linux allows the path of a socket 107 bytes; Ray's lie so deep below its temporary folder
_SOCKET = "/ray/session_2026-01-01_00-00-00_000000_{process}/sockets/plasma_store"
_LONGEST_SOCKET = 107
_GRACE = 15.0  # seconds for the other workers to end after one had an error


@dataclass(frozen=True)
class _Job:
    plan: Plan
    folder: RunFolder
    cpus: float


def run(
    plan: Plan,
    folder: RunFolder,
    cpus: float,
    emit: Callable[[Mapping[str, Any]], None],
    stopping: Callable[[bool], None],
) -> bool:
    """Train on Ray workers; return whether the run came to its end.

    Args:
        plan: of the run; also in the folder, where the workers read it.
        folder: of the run.
        cpus: of each worker.
        emit: takes events.
        stopping: called with False at the first Ctrl-C, after which the workers end with a checkpoint, and with
            True at the second, or where there is nothing to save yet: this process then ends at once.

    Raises:
        UserError: a worker met something that the user can mend; Ray cannot be started here.
        WorkerError: a worker had another error, or died more often than the recipe allows.
    """
    _check_temporary_folder()
    with _interrupts(folder, stopping), _own_cluster(folder):
        # Ray's driver half; importing it here kept the cluster's start from waiting for it
        emit({"kind": "phase", "time": time.time(), "name": "Ray started"})
        return _follow(_Job(plan, folder, cpus), emit, stopping)


def _check_temporary_folder() -> None:
    name = "RAY_TMPDIR" if "RAY_TMPDIR" in os.environ else "TMPDIR"
    where = os.environ.get(name, "/tmp")  # noqa: S108 (Ray's own choice)
    longest = _LONGEST_SOCKET - len(_SOCKET.format(process=os.getpid()))
    if len(os.fsencode(where)) > longest:
        raise UserError(
            f"{name} = {where}: is too long for the paths of Ray's sockets; "
            f"set RAY_TMPDIR to a folder of at most {longest} characters"
        )


@contextmanager
def _interrupts(folder: RunFolder, stopping: Callable[[bool], None]) -> Iterator[None]:
    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        at_once = folder.stop.exists()
        stopping(at_once)
        if at_once:
            _end_at_once()
        folder.stop.touch()

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _own_cluster(folder: RunFolder) -> Iterator[None]:
    """Start Ray on this machine, for this run alone, with all that it prints in the run's log."""
    os.environ.update({key: value for key, value in _SETTINGS.items() if key not in os.environ})
    with _quiet(folder.logs / "ray.log"), ExitStack() as ending:
        import ray

        ending.callback(ray.shutdown)
        # takes a second of CPU, while starting Ray is mostly waiting
        ahead = threading.Thread(target=_import_ray_train, daemon=True)
        ahead.start()
        ray.init(
            address="local",  # never by accident the cluster of a stray RAY_ADDRESS
            num_cpus=len(os.sched_getaffinity(0)),
            include_dashboard=False,
            log_to_driver=False,
            logging_level="WARNING",
            object_store_memory=_OBJECT_STORE,
        )
        session = Path(ray._private.worker._global_node.get_session_dir_path())
        ending.enter_context(guarded(session))
        ending.callback(ray.shutdown)  # before the guard ends what is left
        ahead.join()
        print(f"logs of Ray's own processes: {session}/logs", flush=True)
        yield


def _import_ray_train() -> None:
    import ray.train  # noqa: F401
    from ray.train.v2.api import data_parallel_trainer  # noqa: F401


@contextmanager
def _quiet(log: Path) -> Iterator[None]:
    """Send what this process's libraries print, C++ ones too, to a file; the live view holds its own handle."""
    log.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        logging.getLogger("ray").handlers.clear()
        for number, original in enumerate(kept, start=1):
            os.dup2(original, number)
            os.close(original)


def _end_at_once() -> None:
    kill_descendants()
    # not by an exception: a thread that is still inside Ray would have Ray end this process in its own way
    os._exit(130)


def _follow(job: _Job, emit: Callable[[Mapping[str, Any]], None], stopping: Callable[[bool], None]) -> bool:
    """Run the trainer in a thread, so that Ctrl-C reaches our handler, and pass events on until it ends."""
    failure: list[BaseException] = []
    trainer = threading.Thread(target=_fit, args=(job, failure), daemon=True)
    follower = EventFollower(job.folder.events)
    last, begun = "", False
    trainer.start()
    deadline: float | None = None
    while True:
        ended = not trainer.is_alive()
        for event in follower.new():
            emit(event)
            last = str(event["kind"])
            begun = begun or last == "run"
        if not begun and job.folder.stop.exists():
            stopping(True)
            _end_at_once()
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
    if 0 < gpus < workers.count:
        raise UserError(f"{workers.count} workers, but this machine has {gpus} GPUs; start at most that many")

    class Trainer(DataParallelTrainer):
        # TorchTrainer's only addition is a process group, which our worker makes itself: importing it
        # brings torch into the driver and the controller, 3 s each

        def _create_default_callbacks(self) -> list[Any]:
            # two processes that each import Ray Train: one hands out Ray Datasets, the other tidies up
            # on clusters that outlive their driver
            needless = (DatasetsCallback, PlacementGroupCleanerCallback)
            return [c for c in super()._create_default_callbacks() if not isinstance(c, needless)]

    class Watcher(UserCallback):
        def __init__(self, events: str) -> None:
            self.events = events

        def after_exception(self, run_context: Any, worker_exceptions: Mapping[int, Exception]) -> None:  # noqa: ARG002
            EventFile(Path(self.events)).tell("failure", text=_deaths(worker_exceptions))

    return Trainer(
        work,
        train_loop_config={"folder": str(job.folder.path.absolute())},
        scaling_config=ScalingConfig(
            num_workers=workers.count,
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
