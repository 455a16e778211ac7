"""A launch of a run whose storage is an address: what goes on between the store and the host of the command."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from imgcls.run_folder import RunFolder
from imgcls.storage.indexes import take_up_index
from imgcls.storage.lease import Lease
from imgcls.storage.mirror import PLANNED, RESULT, Mirror
from imgcls.storage.places import explained
from imgcls.storage.publisher import publisher_of, remember
from imgcls.storage.store import Store

if TYPE_CHECKING:
    from imgcls.plan import Plan


class Stored:
    """A run in a store, held by this launch.

    Args:
        folder: this host's copy, whose address is set.
        store: at the run's address.
    """

    def __init__(self, folder: RunFolder, store: Store) -> None:
        self._folder = folder
        self._mirror = Mirror(folder, store)

    def bring_down(self, whole: bool) -> None:
        """Make this host's copy what is in the store; what only this host has of the same run is taken up first.

        Args:
            whole: with the tensors of checkpoints.

        Raises:
            UserError: the store fails.
        """
        with explained(self._mirror.store.address):
            if self._mirror.is_ahead():
                publisher = publisher_of(self._folder)
                assert publisher is not None
                publisher.publish()
            self._mirror.bring_down(whole)

    def begin(self, plan: "Plan") -> None:
        """Take up what workers on other hosts need before they begin: plan, recipe, lock and indexes.

        Raises:
            UserError: the store fails.
        """
        storage = Store(self._mirror.store.address.rpartition("/")[0])
        with explained(storage.address):
            self._mirror.name_origin()
            for file in (plan.data.train, plan.data.validation):
                take_up_index(storage, Path(file.path))
            self._mirror.take_up(PLANNED)

    def end(self) -> None:
        """Take up what tells how the launch went, if the store takes it now."""
        with suppress(OSError):
            self._mirror.take_up_logs()

    def bring_result(self) -> None:
        """Bring the result down, where the worker that wrote it was on another host.

        Raises:
            UserError: the store fails.
        """
        if not self._folder.result.exists():
            with explained(self._mirror.store.address):
                self._mirror.store.fetch(RESULT, self._folder.result)


@contextmanager
def held(folder: RunFolder, say: Callable[[str], None], whole: bool) -> Iterator[Stored | None]:
    """Hold a run in a store, with this host's copy brought down; None for a run whose folder is its own place.

    Args:
        folder: of the run, locked.
        say: is told what is waited for.
        whole: bring down the tensors of checkpoints too.

    Raises:
        UserError: another launch is at it, or the store fails.
    """
    if folder.address is None:
        yield None
        return
    store = Store(folder.address)
    lease = Lease(store, say)
    with lease.held():
        remember(folder, lease.identity)
        stored = Stored(folder, store)
        stored.bring_down(whole)
        with explained(store.address):
            lease.confirm()
        yield stored
