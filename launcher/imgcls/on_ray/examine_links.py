"""How nodes of a cluster reach each other: what runs in the process on each of them. Imports torch to sum."""

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

from imgcls.network import interface_of

_PATIENCE = 4.0  # seconds for a connection
_MEGABYTE = 1_000_000
_SIZES = (4, 64)  # megabytes
_REPEATS = 3
_LONGEST = 3.0  # seconds that one sum of the larger tensor may take


class Door:
    """A port that others can connect to, for as long as this process lives.

    Args:
        address: of this node.
    """

    def __init__(self, address: str) -> None:
        self._socket = socket.create_server((address, 0), backlog=1024)
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            with suppress(OSError):
                self._socket.accept()[0].close()


def reach(others: list[tuple[str, int]]) -> list[str]:
    """Return, for each (address, port), why it cannot be connected to; empty: it can."""
    if not others:
        return []
    with ThreadPoolExecutor(min(64, len(others))) as pool:
        return list(pool.map(_reach, others))


def _reach(other: tuple[str, int]) -> str:
    try:
        with socket.create_connection(other, timeout=_PATIENCE):
            return ""
    except TimeoutError:
        return f"no answer from {other[0]}, port {other[1]}, within {_PATIENCE:.0f} s"
    except OSError as error:
        return f"{other[0]}, port {other[1]}: {error.strerror or error}"


def look_up(address: str) -> float:
    """Return how many seconds it takes to learn, or not to learn, the name of another node's address."""
    began = time.monotonic()
    with suppress(OSError):
        socket.getnameinfo((address, 0), 0)
    return time.monotonic() - began


def free_port() -> int:
    """Import torch, which takes seconds, and return a port that is free here."""
    import torch.distributed  # noqa: F401

    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def all_reduce(address: str, rank: int, size: int, mine: str, seconds: float) -> dict[int, float]:
    """Sum tensors with all nodes.

    Args:
        address: ``tcp://host:port`` of rank 0.
        rank: of this node.
        size: number of nodes.
        mine: this node's address.
        seconds: after which it is given up.

    Returns:
        Megabytes of the tensor -> megabytes a second of it.
    """
    import torch
    import torch.distributed as dist

    interface = interface_of(mine)
    if interface:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
    torch.set_num_threads(1)
    dist.init_process_group("gloo", address, timedelta(seconds=seconds), size, rank)
    try:
        return _speeds()
    finally:
        dist.destroy_process_group()


def _speeds() -> dict[int, float]:
    small, large = _SIZES
    found = {small: _speed(small)}
    # every node has measured the same but for a hair; all must decide alike
    if _agreed(large / found[small]) < _LONGEST:
        found[large] = _speed(large)
    return found


def _agreed(value: float) -> float:
    import torch
    import torch.distributed as dist

    largest = torch.tensor([value], dtype=torch.float64)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return float(largest)


def _speed(megabytes: int) -> float:
    import torch
    import torch.distributed as dist

    tensor = torch.ones(megabytes * _MEGABYTE // 4)
    dist.all_reduce(tensor)
    tensor.fill_(1.0)
    dist.barrier()
    began = time.perf_counter()
    for _ in range(_REPEATS):
        dist.all_reduce(tensor)
    spent = time.perf_counter() - began
    if float(tensor[0]) != float(dist.get_world_size() ** _REPEATS):
        raise ValueError(f"the sum is wrong: {float(tensor[0])}")
    return _REPEATS * megabytes / spent
