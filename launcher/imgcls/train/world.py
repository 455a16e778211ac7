"""Who am I among how many: the processes of a run, without saying what started them."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor

Emit = Callable[[Mapping[str, Any]], None]


def _silent(_event: Mapping[str, Any]) -> None:
    pass


def _unwatched(_step: int, _doing: str) -> None:
    pass


class Elsewhere(Protocol):
    """Where a run is kept, if that is not the folder that it is trained in. Used on rank 0.

    Attributes:
        name: of the place, for a message.
    """

    name: str

    def publish(self) -> None:
        """Take there what has changed in the run's folder; what is there can be continued from at every moment.

        Raises:
            OSError: the place fails.
        """

    def newest(self) -> str | None:
        """Return the name of the newest checkpoint there; None: there is none, or it is not known."""


@dataclass(frozen=True)
class World:
    """This process's place, and what it does together with the others.

    Args:
        rank: 0 to size - 1.
        size: number of processes; above 1, torch.distributed has been initialised.
        local_rank: number among the processes of this host.
        emit: takes events for the live view; used on rank 0.
        stop_requested: tells whether the user wants the run to end.
        device: of this process's tensors.
        pulse: is told, at each change, how many updates have been made and what this process does now; cheap.
        notice: returns, once, what the user should know and what wants a checkpoint at the next look; cheap.
        elsewhere: where the run is kept; None: in its folder.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    emit: Emit = _silent
    stop_requested: Callable[[], bool] = lambda: False
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    pulse: Callable[[int, str], None] = _unwatched
    notice: Callable[[], str] = str
    elsewhere: Elsewhere | None = None

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def tell(self, kind: str, **values: Any) -> None:
        """Emit an event, from rank 0."""
        if self.leads:
            self.emit({"kind": kind, "time": time.time(), **values})

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def from_leader(self, number: int) -> int:
        """Return rank 0's number on every rank."""
        if self.size == 1:
            return number
        tensor = torch.tensor(number, dtype=torch.int64, device=self.device)
        dist.broadcast(tensor, 0)
        return int(tensor.item())

    def most(self, number: int) -> int:
        """Return the largest of all ranks' numbers."""
        if self.size == 1:
            return number
        tensor = torch.tensor(number, dtype=torch.int64, device=self.device)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return int(tensor.item())

    def least(self, number: int) -> int:
        """Return the smallest of all ranks' numbers."""
        return -self.most(-number)

    def share(self, tensors: list[Tensor]) -> None:
        """Overwrite tensors with rank 0's."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def wait(self) -> None:
        """Wait for all processes."""
        self.sum(torch.zeros(1, device=self.device))


def pick_device(local_rank: int) -> torch.device:
    """Return this process's GPU, or the CPU where there is none."""
    if torch.cuda.is_available():
        device = torch.device("cuda", local_rank % torch.cuda.device_count())
        torch.cuda.set_device(device)
        return device
    return torch.device("cpu")


def join_group(rank: int, size: int, address: str, device: torch.device) -> None:
    """Initialise torch.distributed: gloo on CPUs, NCCL on GPUs.

    Args:
        rank: of this process.
        size: number of processes.
        address: ``tcp://host:port`` of rank 0.
        device: of this process.
    """
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, init_method=address, rank=rank, world_size=size)


def leave_group() -> None:
    """End torch.distributed, if it was begun."""
    if dist.is_initialized():
        dist.destroy_process_group()


def set_threads(cpus: float | None, size: int) -> int:
    """Let torch use this process's share of the CPUs, and return how many threads that is."""
    available = len(os.sched_getaffinity(0))
    threads = max(1, int(cpus if cpus is not None else available / max(1, size)))
    torch.set_num_threads(threads)
    return threads
