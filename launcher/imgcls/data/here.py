"""The data of a plan on this host, which may be another one than that on which it was planned."""

import fcntl
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from imgcls import cache
from imgcls.data.index import Index
from imgcls.errors import UserError
from imgcls.plan import IndexFile, Plan

_SHOWN = 5


def on_this_host(plan: Plan, cache_there: Path, launch: str, tell: Callable[[str], None]) -> Plan:
    """Return the plan with the roots of this host, where what was fetched for it is fetched here, too.

    Not for hosts that see the folder of copies of the one where the plan was made. Of several processes of a host
    one fetches, and the others wait for it.

    Args:
        plan: as it was made, with index files that are here.
        cache_there: the folder of copies on the host where the plan was made.
        launch: tells this launch from others: once in each the files are looked at.
        tell: takes what is done, for the user.

    Raises:
        UserError: a root that is not here and is not fetched from an address; files that are not what was indexed.
    """
    data = plan.data
    mine = replace(data, train=_moved(data.train, cache_there), validation=_moved(data.validation, cache_there))
    moved = replace(plan, data=mine)
    # the path may be the same on another disk
    if any(Path(file.root).is_relative_to(cache_there) for file in (data.train, data.validation)):
        _fetch_once(moved, launch, tell)
    for file in (mine.train, mine.validation):
        _see(file)
    return moved


def _moved(file: IndexFile, cache_there: Path) -> IndexFile:
    """Return an index file with its root in this host's folder of copies, if it was in that of another."""
    root = Path(file.root)
    if not root.is_relative_to(cache_there):
        return file
    return replace(file, root=str(cache.folder("") / root.relative_to(cache_there)))


def _fetch_once(plan: Plan, launch: str, tell: Callable[[str], None]) -> None:
    """Fetch what a plan's dataset needs, if no process of this host has done so in this launch."""
    folder = cache.folder("launches")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"data-{plan.data.train.digest[:32]}").open("a+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if file.read() == launch:
            return
        tell(f"{socket.gethostname()}: looking at the data, and fetching what is not here")
        for split in ("train", "validation"):
            plan.data.dataset.construct(split=split)
        for index in (plan.data.train, plan.data.validation):
            _check_files(index)
        file.truncate(0)
        file.write(launch)


def _check_files(file: IndexFile) -> None:
    """See that every file of an index is here.

    Raises:
        UserError: some are not.
    """
    index = Index.load(Path(file.path), Path(file.root))
    paths = [] if index.paths is None else [Path(file.root) / os.fsdecode(bytes(path)) for path in index.paths]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or index.digest != file.digest:
        listed = ", ".join(missing[:_SHOWN])
        raise UserError(
            f"{socket.gethostname()}: {len(missing):,} of {len(index):,} files of the data are not what the run "
            f"was planned with: {listed}; did the data change meanwhile? give the same command again"
        )


def _see(file: IndexFile) -> None:
    """See that the folder of the images is here, where there are images.

    Raises:
        UserError: it is not.
    """
    root = Path(file.root)
    if root.is_dir() or Index.load(Path(file.path), root).paths is None:
        return
    raise UserError(
        f"{socket.gethostname()}: the data is not on this host: there is no folder {root}; mount it there under "
        "the same path, or have data.root name an address that each host fetches from, such as s3://bucket/folder"
    )
