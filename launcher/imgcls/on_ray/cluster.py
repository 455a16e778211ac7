"""Ray for a run: a cluster of its own on this machine, or one that is there already."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from imgcls.errors import UserError, WorkerError
from imgcls.on_ray.processes import guarded
from imgcls.on_ray.resources import Node
from imgcls.recipe.schema import Workers
from imgcls.run_folder import RunFolder

_SETTINGS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # how soon a dead worker and the end of a run are noticed
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # print() would reach a worker's log twice
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
# a process more, of no use on a cluster of our own; elsewhere it is how a node's end is known beforehand
_UNWATCHED = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}
_WATCHED = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "1", "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "1"}
# where the head ends, Ray would abort this process after 60 s; a launch goes on, see imgcls.on_ray.rejoin
_OUTLAST = {"RAY_gcs_rpc_server_reconnect_timeout_s": "600"}
_ROOM = "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"  # seconds that workers wait for room
_PATIENT = "300"
_ELASTIC = "5"  # then the nodes are counted again: one of them may have died a moment ago
_LATE = "timed out during startup"  # what ray.init says then
_OBJECT_STORE = 100_000_000  # bytes; nothing large passes through it
# Linux allows the path of a socket 107 bytes; Ray's lie so deep below its temporary folder
_SOCKET = "/ray/session_2026-01-01_00-00-00_000000_{process}/sockets/plasma_store"
_LONGEST_SOCKET = 107
_TOKEN = (
    "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to the file that holds the cluster's token (on its head "  # noqa: S105
    "~/.ray/auth_token, where nothing else was said)"
)


@contextmanager
def own(folder: RunFolder, workers: Workers) -> Iterator[None]:
    """Start Ray on this machine, for this run alone, with all that it prints in the run's log."""
    _check_temporary_folder()
    _set({**_SETTINGS, **_UNWATCHED}, workers)
    with _quiet(folder.logs / "ray.log"), ExitStack() as ending:
        import ray

        ending.callback(ray.shutdown)
        with _deaf_to_sigterm():
            # takes a second of CPU, while starting Ray is mostly waiting
            ahead = threading.Thread(target=_import_ray_train, daemon=True)
            ahead.start()
            begin = partial(
                ray.init,
                address="local",  # never by accident the cluster of a stray RAY_ADDRESS
                num_cpus=len(os.sched_getaffinity(0)),
                include_dashboard=False,
                log_to_driver=False,
                logging_level="WARNING",
                object_store_memory=_OBJECT_STORE,
            )
            in_time(begin)
        node = ray._private.worker._global_node
        # ray.shutdown would send SIGTERM first and wait for what does not hear it
        node.kill_all_processes = partial(_kill_all, node.kill_all_processes)
        session = Path(node.get_session_dir_path())
        ending.enter_context(guarded(session))
        ending.callback(ray.shutdown)  # before the guard ends what is left
        ahead.join()
        print(f"logs of Ray's own processes: {session}/logs", flush=True)
        yield


def in_time(begin: Callable[[], Any]) -> None:
    """Start Ray, once more where it takes longer than Ray itself allows: on a machine that is very busy.

    Raises:
        WorkerError: it did the second time, too.
    """
    for is_last in (False, True):
        try:
            begin()
        except Exception as error:
            if _LATE not in str(error):  # of no class of its own
                raise
            if is_last:
                raise WorkerError(
                    "Ray did not start on this machine within 30 s, twice: the machine is too busy, or short of "
                    "memory; give the same command again later"
                ) from None
        else:
            return


@contextmanager
def joined(folder: RunFolder, workers: Workers, address: str, everywhere: bool = False) -> Iterator[None]:
    """Connect to a cluster that is there; it stays when the run has ended.

    Args:
        folder: of the run.
        workers: as the recipe has them.
        address: HOST:PORT of the cluster.
        everywhere: whether all that is started there is to have our settings. What Ray Train starts has them
            from Ray Train, what Ray Tune starts has none.

    Raises:
        UserError: it does not let this process in, or this machine is no node of it.
    """
    # ours is to say which cluster it is: an address in the environment would go before it
    os.environ.pop("RAY_ADDRESS", None)
    os.environ.update({} if everywhere else _OUTLAST)
    _set({**_SETTINGS, **_WATCHED}, workers)
    with _quiet(folder.logs / "ray.log"), ExitStack() as ending:
        import ray

        check_admission(address)
        ending.callback(ray.shutdown)
        try:
            with _deaf_to_sigterm():
                ray.init(
                    address=address,
                    log_to_driver=False,
                    logging_level="WARNING",
                    runtime_env={"env_vars": _settings()} if everywhere else None,
                )
        except (ConnectionError, RuntimeError, ValueError) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()
            raise UserError(f"--address {address}: {' '.join(line.strip() for line in first[:3])}") from None
        _import_ray_train()
        yield


def nodes() -> list[Node]:
    """Return what the nodes that are alive have."""
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [Node(float(each.get("CPU", 0)), int(each.get("GPU", 0))) for each in alive]


def _settings() -> dict[str, str]:
    return {name: os.environ[name] for name in (*_SETTINGS, *_WATCHED, _ROOM)}


def _set(settings: dict[str, str], workers: Workers) -> None:
    room = {_ROOM: _ELASTIC if workers.elastic else _PATIENT}
    os.environ.update({k: v for k, v in {**settings, **room}.items() if k not in os.environ})


def is_gone(address: str) -> bool:
    """Whether the cluster that this process has joined is there no longer, or only another in its place."""
    import ray
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    from imgcls.on_ray.address import reachable

    mine = ray.get_runtime_context().get_node_id()
    try:
        infos: dict[Any, Any] = GcsClient(address=reachable(address)).get_all_node_info(timeout=10)
    except Exception:  # noqa: BLE001 (whatever it is that keeps us from asking)
        return True
    return not any(node.hex() == mine and info.state == info.ALIVE for node, info in infos.items())


def check_admission(address: str) -> None:
    """See that the cluster takes our token, and has a node here: Ray would try for long, and not say why.

    Raises:
        UserError: it does not, or has none.
    """
    from ray._private.services import find_node_ids
    from ray._raylet import GcsClient  # type: ignore[attr-defined]
    from ray.exceptions import AuthenticationError, RpcError

    try:
        infos: dict[Any, Any] = GcsClient(address=address).get_all_node_info(timeout=10)
    except AuthenticationError:
        has = os.environ.get("RAY_AUTH_MODE") == "token"
        what = "takes another token than ours" if has else "wants a token"
        raise UserError(f"--address {address}: the cluster {what}; {_TOKEN}") from None
    except RpcError as error:
        raise UserError(f"--address {address}: Ray's control store does not answer: {error}") from None
    if not {node.hex() for node in infos} & set(find_node_ids()):
        raise UserError(
            f"--address {address}: this machine is no node of that cluster; make it one by "
            f"`ray start --address {address} --num-cpus 0`, or launch on a node"
        )


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
def _deaf_to_sigterm() -> Iterator[None]:
    """Block SIGTERM, also in threads and processes that are started meanwhile; Ray itself does it with SIGINT.

    Slurm, systemd and timeout(1) send it to all processes of a job: what ends then must be this process's to say,
    after the workers' checkpoint. Ray puts a handler of its own in the place of ours, which aborts the process.
    """
    handler = signal.getsignal(signal.SIGTERM)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _kill_all(kill_all: Callable[..., None], **_asked: bool) -> None:
    kill_all(check_alive=False, allow_graceful=False)


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
