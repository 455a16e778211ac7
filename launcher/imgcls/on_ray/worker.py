"""What Ray Train starts in each worker: Ray's context -> World, then the training loop."""

import json
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from imgcls.errors import StorageError, UserError
from imgcls.network import interface_of
from imgcls.on_ray.drain import drain_notice
from imgcls.on_ray.fence import superseded
from imgcls.on_ray.home import Visit
from imgcls.on_ray.presence import be_present
from imgcls.on_ray.saving import requests
from imgcls.report.events import EventFile
from imgcls.run_folder import RunFolder, write_whole
from imgcls.storage.publisher import publisher_of
from imgcls.train.environment import prepare_environment

# how long a worker that lost its peers waits to learn whether one of them had an error of its own
_PATIENCE = 10.0
_PEER_LOST = ("gloo", "nccl", "connection closed by peer", "connection reset by peer", "broken pipe")


def work(config: Mapping[str, Any]) -> None:
    """Train on one worker. Returns normally after an error of the program, which is recorded for the driver.

    Ray Train replaces workers whose function raises. That is right for a worker that died and for those that
    lost their connection to it, but an error of the program would only come again.
    """
    import ray.train

    visit = Visit(config["home"])
    folder = visit.folder
    context = ray.train.get_context()
    rank = context.get_world_rank()
    if config["watched"]:
        be_present(folder.path)
    print_to(folder.logs / f"worker-{rank}.log")
    events = EventFile(folder.events)
    if rank == 0:
        events.tell("phase", name="worker started")
    try:
        _train(visit, context, events, config["cpus"])
    except Exception as error:
        collateral = _peer_lost(error)
        traceback.print_exc()
        try:
            _record(folder, rank, error, collateral)
        except OSError:
            # errors are recorded in the storage that fails: Ray is told instead, and starts the workers again
            raise error from None
        if collateral and not _somebody_elses_error(folder):
            raise
    finally:
        _leave()
        visit.close()


def _train(visit: Visit, context: Any, events: EventFile, cpus: float | None) -> None:
    folder, rank, size = visit.folder, context.get_world_rank(), context.get_world_size()
    plan = visit.prepare(lambda text: events.tell("note", text=text))
    address = _meet(rank) if size > 1 else ""
    _choose_interface(on_one_host=context.get_local_world_size() == size)
    prepare_environment()
    from imgcls.train.loop import train
    from imgcls.train.watch import Watch
    from imgcls.train.world import World, join_group, pick_device

    local_rank = context.get_local_rank()
    device = pick_device(local_rank)
    if rank == 0:
        events.tell("phase", name="torch and DALI imported")
    if cpus is not None:
        # as many threads wherever on the cluster this worker is, so that sums are rounded alike
        plan = replace(plan, workers=replace(plan.workers, cpus=cpus))
    notice = _either(drain_notice(), requests(folder)) if plan.workers.elastic else drain_notice()
    notice = _fenced(notice, superseded(folder))
    watch = Watch(folder, rank, size, plan.workers.hang_after, notice=notice).start()
    try:
        if size > 1:
            join_group(rank, size, address, device)
        world = World(
            rank,
            size,
            local_rank,
            events.write,
            folder.is_stop_asked,
            device,
            watch.pulse,
            watch.notice,
            publisher_of(folder) if rank == 0 else None,
        )
        world.tell("phase", name="workers connected")
        train(plan, folder, world)
    finally:
        watch.close()


def _choose_interface(on_one_host: bool) -> None:
    """Set by which network interface workers talk to each other, where the user has not.

    gloo would take the one that the host's name resolves to, which is often the loopback interface.
    """
    import ray

    # on one host the loopback interface is there whatever the host's name resolves to
    name = "lo" if on_one_host else interface_of(ray.util.get_node_ip_address())
    if name is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
        if not on_one_host:
            os.environ.setdefault("NCCL_SOCKET_IFNAME", f"={name}")  # without the sign it would be a prefix


def _fenced(notice: Callable[[], str], is_superseded: Callable[[], bool]) -> Callable[[], str]:
    """Return the notice; asked by the watch each second, it ends this process where another launch has the run."""

    def look() -> str:
        if is_superseded():
            print("another launch has this run now: this worker ends", flush=True)
            os._exit(1)
        return notice()

    return look


def _either(first: Callable[[], str], second: Callable[[], str]) -> Callable[[], str]:
    return lambda: first() or second()


def _meet(rank: int) -> str:
    """Return rank 0's address, as torch.distributed takes it, on every rank."""
    import ray
    from ray.train.collective import broadcast_from_rank_zero

    address = None
    if rank == 0:
        host = ray.util.get_node_ip_address()
        with socket.socket() as probe:
            probe.bind(("", 0))
            address = f"tcp://{host}:{probe.getsockname()[1]}"
    found: str = broadcast_from_rank_zero(address)
    return found


def print_to(path: Path) -> None:
    """Send this process's output, its libraries' too, to a file of the run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    # Ray has put objects of its own in their place
    sys.stdout = open(1, "w", buffering=1, closefd=False, encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False, encoding="utf-8")  # noqa: SIM115


def _peer_lost(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in _PEER_LOST)


def _record(folder: RunFolder, rank: int, error: Exception, collateral: bool) -> None:
    user = isinstance(error, UserError)
    record = {
        "rank": rank,
        "host": socket.gethostname(),
        "time": time.time(),
        "collateral": collateral,
        "user": user,
        "text": str(error) if user or isinstance(error, StorageError) else traceback.format_exc(),
    }
    write_whole(folder.errors / f"rank-{rank}.json", json.dumps(record, indent=1))


def _somebody_elses_error(folder: RunFolder) -> bool:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        for path in folder.errors.glob("*.json"):
            if not json.loads(path.read_text(encoding="utf-8"))["collateral"]:
                return True
        time.sleep(0.1)
    return False


def _leave() -> None:
    """Close the connections to the other workers, so that none waits for this one."""
    if "torch" in sys.modules:
        from imgcls.train.world import leave_group

        leave_group()
