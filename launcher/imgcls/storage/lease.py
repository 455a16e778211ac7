"""Who is at a run that is in a store: an object there, which its holder renews.

A lock of the file system holds on one host alone, and no clock is the same on two: a holder counts as gone when
its object has not changed for a while of the watcher's own clock.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from imgcls.errors import UserError
from imgcls.storage.places import explained
from imgcls.storage.store import Store

NAME = ".lease.json"
_RENEWED = 10.0  # seconds between renewals
_PATIENCE = 40.0  # seconds without one, after which a holder is gone
_LOOK = 1.0  # seconds between looks at another's
_SETTLED = 1.0  # seconds after which of two that were made at once the later one is there


class Lease:
    """The right to write to a run in a store.

    Args:
        store: at the run's address.
        wait: is told what is waited for.
    """

    def __init__(self, store: Store, wait: Callable[[str], None]) -> None:
        self.identity = secrets.token_hex(8)
        self._store = store
        self._wait = wait
        self._count = 0
        self._written = 0.0
        self._closing = threading.Event()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Take it, renew it in a thread, and give it back.

        Raises:
            UserError: another has it, or the store fails.
        """
        with explained(self._store.address):
            self._wait_for_another()
            self._renew()
        thread = threading.Thread(target=self._renew_again, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._closing.set()
            thread.join()
            with suppress(OSError):
                if held_by(self._store) == self.identity:
                    self._store.remove(NAME)

    def confirm(self) -> None:
        """See that nobody took it at the same moment; to be called before anything is written.

        Raises:
            UserError: another has it.
            OSError: the store fails.
        """
        time.sleep(max(0.0, self._written + _SETTLED - time.monotonic()))
        found = _read(self._store)
        if found is not None and found.get("id") != self.identity:
            raise _in_use(self._store, found)

    def _wait_for_another(self) -> None:
        first = found = _read(self._store)
        if first is None:
            return
        alive = _is_alive_here(first)
        if alive is not None:
            if alive:
                raise _in_use(self._store, first)
            return
        end = time.monotonic() + _PATIENCE
        self._wait(
            f"{_holder(first)} was at this run last; waiting up to {_PATIENCE:.0f} s for a sign of life from there"
        )
        while found is not None and time.monotonic() < end:
            if found != first:
                raise _in_use(self._store, found)
            time.sleep(_LOOK)
            found = _read(self._store)

    def _renew(self) -> None:
        self._count += 1
        about = {"id": self.identity, "holder": f"process {os.getpid()} on {socket.gethostname()}", **_process()}
        self._store.write(NAME, json.dumps({**about, "renewed": self._count}).encode())
        self._written = time.monotonic()

    def _renew_again(self) -> None:
        while not self._closing.wait(_RENEWED):
            with suppress(OSError):  # the store is away: for others, too
                if held_by(self._store) in (None, self.identity):
                    self._renew()


def held_by(store: Store) -> str | None:
    """Return the identity of the lease at a run; None: there is none.

    Raises:
        OSError: the store fails.
    """
    found = _read(store)
    return None if found is None else str(found.get("id"))


def check(store: Store, identity: str) -> None:
    """See that nobody else has taken a run over.

    Raises:
        UserError: somebody has.
        OSError: the store fails.
    """
    found = _read(store)
    if found is not None and found.get("id") != identity:
        raise UserError(
            f"{store.address} was taken over by {_holder(found)}, which did not hear of this launch for "
            f"{_PATIENCE:.0f} s; nothing more is written there from here"
        )


def _read(store: Store) -> dict[str, Any] | None:
    try:
        found = json.loads(store.read(NAME))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _in_use(store: Store, found: dict[str, Any]) -> UserError:
    return UserError(
        f"{store.address} is in use by {_holder(found)}; wait for it, or give this run another --name"
    )


def _holder(found: dict[str, Any]) -> str:
    return str(found.get("holder", "another process"))


def _process() -> dict[str, Any]:
    """Return what tells this process from all others, of this host and of others."""
    return {"host": _host(), "process": os.getpid(), "began": _began(os.getpid())}


def _host() -> list[str]:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return [socket.gethostname(), boot, str(Path("/proc/self/ns/pid").readlink())]


def _began(process: int) -> str:
    """Return when a process of this host began, in ticks since the host's start; "" where there is none."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _is_alive_here(found: dict[str, Any]) -> bool | None:
    """Whether a holder still runs; None where that cannot be known, for it is of another host."""
    if found.get("host") != _host() or not isinstance(found.get("process"), int):
        return None
    return _began(found["process"]) == found.get("began")
