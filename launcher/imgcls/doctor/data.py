"""Whether every node sees the same data: the index's file, and a sample of the files that it names."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgcls import cache
from imgcls.errors import UserError

if TYPE_CHECKING:
    from imgcls.plan import Data, IndexFile

_SAMPLED = 64  # files of a split whose size is compared
_NAMED = 3  # files that a message names

File = tuple[str, int]


@dataclass(frozen=True)
class Split:
    """What a node must find of a split.

    Attributes:
        name: train or validation.
        samples: how many there are.
        digest: of the index.
        index: its file, and that file's bytes; an empty name where it is brought to each node later.
        index_hash: SHA-256 of that file; empty: not looked at.
        root: folder of the images; empty where they are in the index, or fetched by each node.
        files: some of them, below the root, with their bytes.
    """

    name: str
    samples: int
    digest: str
    index: File
    index_hash: str
    root: str
    files: tuple[File, ...]


def splits(data: "Data", deep: bool, carried: bool = False) -> tuple[Split, ...]:
    """Return what the nodes must find of a plan's data, as it is here.

    Args:
        data: of a plan, whose indexes have been written.
        deep: hash the indexes' files too.
        carried: the indexes lie on this node alone, and a run brings them to the others.

    Raises:
        UserError: an image that was there a moment ago is gone.
    """
    try:
        found = tuple(_split(name, getattr(data, name), deep) for name in ("train", "validation"))
    except OSError as error:
        raise UserError(
            f"{error.filename}: {error.strerror}; it was there a moment ago, is it being changed?"
        ) from None
    return tuple(replace(each, index=("", 0)) for each in found) if carried else found


def _split(name: str, file: "IndexFile", deep: bool) -> Split:
    path = Path(file.path)
    # what was fetched here is fetched by each node
    fetched = Path(file.root).is_relative_to(cache.folder(""))
    names = [] if fetched else _some_files(path, Path(file.root))
    sampled = tuple((each, (Path(file.root) / each).stat().st_size) for each in names)
    index = (str(path), path.stat().st_size)
    hashed = _hash(path) if deep else ""
    return Split(name, file.samples, file.digest, index, hashed, file.root if sampled else "", sampled)


def _some_files(index: Path, root: Path) -> list[str]:
    """Return files that an index names, evenly over all of it; none where it holds the pixels."""
    from imgcls.data.index import Index

    paths = Index.load(index, root).paths
    if paths is None:
        return []
    step = max(1, len(paths) // _SAMPLED)
    return [os.fsdecode(bytes(path)) for path in paths[::step][:_SAMPLED]]


def wrong_with(split: Split) -> str:
    """Return what is wrong with a split on this node; empty: nothing."""
    if split.index[0] and (wrong := _other_index(split)):
        return wrong
    if split.root and not Path(split.root).is_dir():
        return f"{split.name}: there is no folder {split.root} there"
    return _differing(split)


def _other_index(split: Split) -> str:
    index, size = Path(split.index[0]), split.index[1]
    try:
        same = index.stat().st_size == size and (not split.index_hash or _hash(index) == split.index_hash)
    except OSError as error:
        return f"{split.name}: the index {index} cannot be read there: {error.strerror}"
    return "" if same else f"{split.name}: the index {index} is another there"


def _differing(split: Split) -> str:
    wrong = [name for name, size in split.files if _size(Path(split.root) / name) != size]
    if not wrong:
        return ""
    shown = ", ".join(wrong[:_NAMED]) + (", ..." if len(wrong) > _NAMED else "")
    return (
        f"{split.name}: of {len(split.files)} files looked at in {split.root}, {len(wrong)} are missing or of "
        f"another size there: {shown}"
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def described(splits: Sequence[Split]) -> str:
    """Return in a few words what was found the same."""
    return "; ".join(
        f"{each.name} {each.samples:,} samples, index {each.digest[:12]}"
        + (f", {len(each.files)} files of the same size" if each.files else "")
        for each in splits
    )
