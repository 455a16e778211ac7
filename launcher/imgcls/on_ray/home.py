"""Where workers find the run: on the launch's host, on storage that all see, or each host in its own copy."""

import fcntl
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from imgcls import cache
from imgcls.errors import StorageError
from imgcls.outage import reason, until_it_works
from imgcls.plan import Data, Plan
from imgcls.run_folder import RunFolder

_PATIENCE = 300.0  # seconds that a store that is away is waited for before training
_STALE = 30 * 86_400.0  # seconds

Result = TypeVar("Result")


@dataclass(frozen=True)
class Home:
    """What a worker is told of the host that the launch is on.

    Attributes:
        folder: of the run there.
        address: of the run, where storage is an address.
        cache: folder of copies there.
        launch: tells this launch from others.
        lease: of the run in its store.
        shared: whether workers may be on other hosts.
        courier: what carries files between the hosts; None: nothing needs to.
    """

    folder: str
    address: str | None = None
    cache: str = ""
    launch: str = ""
    lease: str = ""
    shared: bool = False
    courier: Any = None


@contextmanager
def home(folder: RunFolder, shared: bool) -> Iterator[Home]:
    """Make this host known to its workers, for as long as they train.

    Args:
        folder: of the run.
        shared: whether workers may be on other hosts; Ray is connected to.
    """
    launch = secrets.token_hex(16)
    sign = _sign(cache.folder(""), launch)
    found = Home(str(folder.path.absolute()), folder.address, str(cache.folder("")), launch, shared=shared)
    if folder.address is not None:
        found = replace(found, lease=(folder.path / ".lease").read_text(encoding="ascii"))
    if not shared:
        yield found
        return
    if folder.address is not None:
        from imgcls.on_ray.courier import start

        found = replace(found, courier=start(folder))
    sign.parent.mkdir(parents=True, exist_ok=True)
    for old in sign.parent.glob("here-*"):
        if time.time() - old.stat().st_mtime > _STALE:  # of a launch that was killed
            old.unlink(missing_ok=True)
    sign.touch()
    try:
        yield found
    finally:
        sign.unlink(missing_ok=True)


def _patiently(read: Callable[[], Result], address: str) -> Result:
    """Return what is read from a store, waiting for it while it fails.

    Raises:
        StorageError: it failed for too long.
    """
    try:
        return until_it_works(read, _PATIENCE, address)
    except StorageError as error:
        why = reason(error.__cause__) if error.__cause__ else ""
        raise StorageError(
            f"{socket.gethostname()}: {address} could not be read for {_PATIENCE:g} s: {why}\n"
            "mend the storage, then give the same command again: the run continues"
        ) from None


def _sees(home: Home) -> bool:
    """Whether this process has the same folder of copies as the launch, and not just one of the same name."""
    return str(cache.folder("")) == home.cache and _sign(Path(home.cache), home.launch).is_file()


def _sign(folder: Path, launch: str) -> Path:
    return folder / "launches" / f"here-{launch}"


class Visit:
    """A worker at a run.

    Args:
        home: of the launch.

    Attributes:
        folder: of the run, on this host.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._is_home = not home.shared or _sees(home)
        self._carrier: Any = None
        self.folder = RunFolder(Path(home.folder), home.address)
        if home.address is not None and not self._is_home:
            self._settle(home.address)

    def _settle(self, address: str) -> None:
        from imgcls.on_ray.courier import Carrier
        from imgcls.on_ray.fence import supersede
        from imgcls.storage.places import copy_of
        from imgcls.storage.publisher import forget, remember

        self.folder = copy_of(address)
        self.folder.path.mkdir(parents=True, exist_ok=True)
        with (self.folder.path / ".visit").open("a+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            if file.read() != self._home.launch:
                supersede(self.folder)
                forget(self.folder)
                remember(self.folder, self._home.lease)
                file.truncate(0)
                file.write(self._home.launch)
        self._carrier = Carrier(self.folder, self._home.courier)
        self._carrier.start()

    def prepare(self, tell: Callable[[str], None]) -> Plan:
        """Return the plan as this host can carry it out, with all that it names here.

        Args:
            tell: takes what is done, for the user.

        Raises:
            UserError: data that is not here.
            StorageError: the store was away for too long.
        """
        home, address = self._home, self._home.address
        if home.shared and address is not None:
            _patiently(self._bring_down, address)
        plan = Plan.from_json(self.folder.plan.read_text(encoding="utf-8"))
        if self._is_home:
            return plan
        if address is not None:
            plan = replace(plan, data=_patiently(lambda: self._with_indexes(plan.data, address), address))
        from imgcls.data.here import on_this_host

        return on_this_host(plan, Path(home.cache), home.launch, tell)

    def _bring_down(self) -> None:
        from imgcls.storage.mirror import Mirror
        from imgcls.storage.store import Store

        assert self._home.address is not None
        Mirror(self.folder, Store(self._home.address)).bring_down()

    def _with_indexes(self, data: Data, address: str) -> Data:
        """Return the data of a plan with index files of this host."""
        from imgcls.storage.indexes import bring_index
        from imgcls.storage.store import Store

        storage, here = Store(address.rpartition("/")[0]), self.folder.index_cache
        train, validation = (
            replace(file, path=str(bring_index(storage, Path(file.path).name, here)))
            for file in (data.train, data.validation)
        )
        return replace(data, train=train, validation=validation)

    def close(self) -> None:
        """Have all that this worker wrote be where the launch looks for it."""
        if self._carrier is not None:
            self._carrier.close()
