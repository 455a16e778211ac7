"""Whether every node writes to the same storage: the driver leaves a note there, each node answers beside it."""

import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from imgcls.doctor import machine
from imgcls.errors import UserError
from imgcls.storage.places import is_address

_PREFIX = ".doctor-"
_PATIENCE = 3.0  # seconds; what another host wrote may be seen later on a network's file system
_PAUSE = 0.2
_OLD = 3600.0  # seconds after which what a killed doctor left is removed
_FROM_DRIVER = "driver"

Answer = dict[str, str | int]


@dataclass(frozen=True)
class Probe:
    """What a node is told to look for.

    Attributes:
        storage: the folder that runs are written to, or an address.
        folder: the driver's note is in it; empty where nothing is left: the storage is an address.
        token: what the note says.
    """

    storage: str
    folder: str = ""
    token: str = ""


@contextmanager
def storage_probe(storage: str) -> Iterator[Probe]:
    """Leave a note in the storage for as long as nodes look for it.

    Args:
        storage: folder, which is made where it is not there, and taken away if it stays empty; or an address.

    Raises:
        OSError: it cannot be written from here.
    """
    storage = storage.removeprefix("file://")
    if is_address(storage):
        yield Probe(storage)
        return
    where = Path(storage).absolute()
    made = [each for each in (where, *where.parents) if not each.exists()]
    probe = Probe(str(where), str(where / f"{_PREFIX}{secrets.token_hex(8)}"), secrets.token_hex(16))
    folder = Path(probe.folder)
    try:
        folder.mkdir(parents=True)
        _write(folder / _FROM_DRIVER, probe.token)
        _tidy(where)
        yield probe
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            for each in made:
                each.rmdir()


def visited(probe: Probe, name: str) -> Answer:
    """Read the driver's note on a node and answer it.

    Args:
        probe: what to look for.
        name: of the node; the name of the answer.

    Returns:
        ``error``: empty, or what went wrong; ``free``: bytes on the storage.
    """
    if not probe.folder:
        return {"error": _of_address(probe.storage), "free": -1}
    return {"error": _of_folder(probe, name), "free": machine.disk(Path(probe.storage)).get("free", -1)}


def _of_folder(probe: Probe, name: str) -> str:
    if not Path(probe.storage).is_dir():
        return f"there is no folder {probe.storage} there"
    try:
        if not _note_is_there(probe):
            return f"{probe.storage} is another folder there: what is written here is not in it"
    except OSError as error:
        return f"{probe.storage} cannot be read: {error.strerror}"
    try:
        _write(Path(probe.folder) / name, probe.token + name)
    except OSError as error:
        return f"{probe.storage} cannot be written: {error.strerror}"
    return ""


def _note_is_there(probe: Probe) -> bool:
    end = time.monotonic() + _PATIENCE
    while True:
        with suppress(FileNotFoundError):
            if (Path(probe.folder) / _FROM_DRIVER).read_text(encoding="utf-8") == probe.token:
                return True
        if time.monotonic() >= end:
            return False
        time.sleep(_PAUSE)


def _of_address(address: str) -> str:
    """Return why a store cannot be used from here; empty: it can. That all nodes mean the same, its name says."""
    from imgcls.storage.places import probe

    try:
        probe(address)
    except UserError as error:
        return str(error)
    return ""


def answered(probe: Probe, answers: Mapping[str, Answer]) -> dict[str, Answer]:
    """Return the nodes' answers, with an error where what a node wrote is not seen here."""
    end = time.monotonic() + _PATIENCE
    return {
        name: answer if _is_seen(probe, name, answer, end) else _unseen(probe, answer)
        for name, answer in answers.items()
    }


def _is_seen(probe: Probe, name: str, answer: Answer, end: float) -> bool:
    if answer["error"] or not probe.folder:
        return True  # there is an error already, or nothing to see
    while True:
        with suppress(OSError):
            if (Path(probe.folder) / name).read_text(encoding="utf-8") == probe.token + name:
                return True
        if time.monotonic() >= end:
            return False
        time.sleep(_PAUSE)


def _unseen(probe: Probe, answer: Answer) -> Answer:
    return {**answer, "error": f"what is written to {probe.storage} there is not seen here"}


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _tidy(storage: Path) -> None:
    for left in storage.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _OLD:
                shutil.rmtree(left, ignore_errors=True)
