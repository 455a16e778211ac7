"""A run that is in a store, for commands that only read it."""

from contextlib import suppress
from pathlib import Path

from imgcls import cache
from imgcls.errors import UserError
from imgcls.run_folder import RunFolder, read_json
from imgcls.storage.indexes import bring_index
from imgcls.storage.mirror import Mirror
from imgcls.storage.places import copy_of, explained
from imgcls.storage.store import Store

_KIND = "copies"  # those of launches are theirs, and change while they train
_BELOW = "/checkpoints/"
_ADVICE = "is the address right, does the store answer, and do you have the right to read there?"


def brought_down(address: str) -> Path:
    """Return a folder with what is at the address of a run, or of a checkpoint of one.

    Raises:
        UserError: there is no run, or the store fails.
    """
    run, below, checkpoint = address.rstrip("/").partition(_BELOW)
    store, folder = Store(run), copy_of(run, _KIND)
    with explained(run, _ADVICE):
        if not store.has("plan.json"):
            raise UserError(f"{run}: there is no run at this address; give that of --storage, and the run's name")
        Mirror(folder, store).bring_down()
        _bring_indexes(run.rpartition("/")[0], folder)
    return folder.checkpoints / checkpoint if below else folder.path


def _bring_indexes(storage: str, folder: RunFolder) -> None:
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        data = read_json(folder.plan)["data"]
        for split in ("train", "validation"):
            bring_index(Store(storage), Path(data[split]["path"]).name, folder.index_cache)


def is_copy(path: Path) -> bool:
    """Whether a path is below what was brought down: what is written there is kept nowhere."""
    return path.absolute().is_relative_to(cache.folder(_KIND))
