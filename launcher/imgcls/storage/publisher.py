"""What rank 0 takes up to the store after each checkpoint, in an order that leaves a state to continue from."""

import json
import secrets
from collections.abc import Iterable
from pathlib import Path

from imgcls.run_folder import RunFolder
from imgcls.storage import lease
from imgcls.storage.mirror import CHECKPOINTS, RESULT, growing
from imgcls.storage.store import Store

_FOLDER = "checkpoints"
_MANIFEST = "manifest.json"
_LEASE = ".lease"  # in this host's copy: the identity of the launch


class Publisher:
    """Takes a run's folder up to its address. See :class:`imgcls.train.world.Elsewhere`.

    Metrics, and what trackers write, go before the checkpoint, for continuing from it would not log them again; of
    a checkpoint the manifest goes last, for without one it does not count; then ``latest``; then what was tidied
    away here goes there.

    Args:
        folder: this host's copy, whose address is set.
        identity: of the launch's lease.
    """

    def __init__(self, folder: RunFolder, identity: str) -> None:
        assert folder.address is not None
        self.name = folder.address
        self._folder = folder
        self._identity = identity
        self._store: Store | None = None
        self._there: dict[str, str] = {}  # checkpoint -> its manifest
        self._grown: dict[str, tuple[int, int]] = {}  # file -> its size and time when it was sent

    def newest(self) -> str | None:
        """Return the name of the newest checkpoint that is known to be there."""
        return max((step for step, manifest in self._there.items() if manifest), default=None)

    def publish(self) -> None:
        """Take up what has changed.

        Raises:
            OSError: the store fails; it is as it was, or has a part that does not count yet.
            UserError: another launch has taken the run over.
        """
        store = self._begin()
        lease.check(store, self._identity)
        self._send_grown(store, growing(self._folder))
        steps = self._steps()
        for step in steps:
            self._send_step(store, step)
        if steps:
            store.write(f"{_FOLDER}/latest", steps[-1].name.encode())
        self._remove(store, {step.name for step in steps})
        self._send_grown(store, (RESULT,))

    def _begin(self) -> Store:
        """Return the store; the first time, see what is there."""
        if self._store is None:
            store = Store(self.name)
            names = [name.split("/") for name in store.sizes() if name.startswith(f"{_FOLDER}/step-")]
            # what is only half there is known too, to be made whole or removed
            self._there = {name[1]: "" for name in names}
            for step in {name[1] for name in names if name[2:] == [_MANIFEST]}:
                self._there[step] = store.read(f"{_FOLDER}/{step}/{_MANIFEST}").decode()
            self._store = store
        return self._store

    def _steps(self) -> list[Path]:
        return sorted(step for step in self._folder.checkpoints.glob(CHECKPOINTS) if (step / _MANIFEST).is_file())

    def _send_grown(self, store: Store, names: Iterable[str]) -> None:
        for name in names:
            path = self._folder.path / name
            if not path.is_file():
                continue
            status = path.stat()
            mark = status.st_size, status.st_mtime_ns
            if self._grown.get(name) != mark:
                store.write(name, path.read_bytes())
                self._grown[name] = mark

    def _send_step(self, store: Store, step: Path) -> None:
        manifest = (step / _MANIFEST).read_text(encoding="utf-8")
        before = self._there.get(step.name)
        if before == manifest:
            return
        prefix = f"{_FOLDER}/{step.name}/"
        if before is not None:
            store.remove(prefix + _MANIFEST)
        self._there[step.name] = ""
        for name in json.loads(manifest)["sha256"]:
            store.send(step / name, prefix + name)
        store.write(prefix + _MANIFEST, manifest.encode())
        self._there[step.name] = manifest

    def _remove(self, store: Store, kept: set[str]) -> None:
        """Remove checkpoints that are not here any more; those of others, that are not known, stay."""
        for step in sorted(self._there.keys() - kept):
            prefix = f"{_FOLDER}/{step}/"
            names = [name for name in store.sizes() if name.startswith(prefix)]
            for name in sorted(names, key=lambda name: not name.endswith(_MANIFEST)):
                store.remove(name)
            del self._there[step]


def remember(folder: RunFolder, identity: str) -> None:
    """Note in this host's copy of a run which launch it is of."""
    (folder.path / _LEASE).write_text(identity, encoding="ascii")


def publisher_of(folder: RunFolder) -> Publisher | None:
    """Return what takes a run up to its address; None for a run whose folder is its own place."""
    if folder.address is None:
        return None
    return Publisher(folder, (folder.path / _LEASE).read_text(encoding="ascii"))


def forget(folder: RunFolder) -> None:
    """Remove what an earlier launch left in this host's copy for its live view, and give the copy a new name."""
    folder.create()
    folder.begin()
    for log in folder.logs.glob("*.log"):
        log.unlink()
    (folder.path / ".host").write_text(secrets.token_hex(16), encoding="ascii")
