"""Shards: a dataset cut into some larger files, each with many samples."""

import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgcls import Source, UserError
from imgcls_datasets import classes, listed

_MANY = 1 << 30  # bytes of shards from which on processes pay for their start
_RANGE = re.compile(r"([0-9]+)\.\.([0-9]+)")
_WILD = re.compile(r"[*?\[]")
_MOST = 1_000_000  # names that a pattern may stand for


class Shard(NamedTuple):
    """A file as it was when it was found."""

    name: str
    size: int
    changed: int


class Samples(NamedTuple):
    """What is in one shard.

    Attributes:
        places: int64 (n, 2), an image's first byte and how many bytes.
        labels: int64 (n,).
    """

    places: NDArray[np.int64]
    labels: NDArray[np.int64]


def find(root: Path, pattern: str, what: str) -> tuple[Shard, ...]:
    """Return the shards that a pattern names below ``root``: ``{0000..0146}``, ``{a,b}``, ``*``, ``?``, ``[]``.

    Raises:
        UserError: there is none, or one of a range is missing.
    """
    if not root.is_dir():
        raise UserError(f"there is no folder {root}; set data.root to the folder of the shards")
    names: list[str] = []
    missing = []
    for one in _braces(pattern, what):
        if _WILD.search(one):
            names += sorted(str(path.relative_to(root)) for path in root.glob(one) if path.is_file())
        elif (root / one).is_file():
            names.append(one)
        else:
            missing.append(one)
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise UserError(f"{root}: {len(missing)} of the shards of data.{what} = '{pattern}' are missing: {shown}")
    if not names:
        raise UserError(f"{root}: there is no shard '{pattern}'; set data.{what}")
    found = []
    for name in dict.fromkeys(names):
        status = (root / name).stat()
        found.append(Shard(name, status.st_size, status.st_mtime_ns))
    return tuple(found)


def _braces(pattern: str, what: str) -> list[str]:
    """Return the patterns that a pattern with braces stands for."""
    opened = pattern.find("{")
    closed = pattern.find("}", opened)
    if opened < 0 or closed < 0:
        return [pattern]
    inner = pattern[opened + 1 : closed]
    match = _RANGE.fullmatch(inner)
    if match is not None:
        first, last = int(match[1]), int(match[2])
        if not 0 <= last - first < _MOST:
            raise UserError(f"data.{what} = '{pattern}': the range {{{inner}}} is empty or too long")
        choices = [f"{number:0{len(match[1])}}" for number in range(first, last + 1)]
    else:
        choices = inner.split(",")
    rest = _braces(pattern[closed + 1 :], what)
    return [pattern[:opened] + choice + tail for choice in choices for tail in rest]


def index(root: Path, shards: Sequence[Shard], read: Callable[[Path], Samples]) -> list[Samples]:
    """Return what is in each shard, read in parallel.

    Args:
        root: the shards' folder.
        shards: from :func:`find`.
        read: a function of a module, or a partial of one: it may run in another process.

    Raises:
        UserError: a shard is damaged.
    """
    workers = os.cpu_count() or 1
    pool: Executor
    if len(shards) > 1 and sum(shard.size for shard in shards) >= _MANY:
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    else:
        pool = ThreadPoolExecutor(workers)
    with pool:
        return list(pool.map(read, [root / shard.name for shard in shards]))


def source(root: Path, shards: Sequence[Shard], samples: Sequence[Samples], names: Sequence[str]) -> Source:
    """Return the samples of all shards, in order.

    Raises:
        UserError: shards without samples, or labels outside the classes; each is named.
    """
    problems = []
    for shard, some in zip(shards, samples, strict=True):
        if not len(some.labels):
            problems.append(f"{root / shard.name}: holds no sample")
        outside = np.flatnonzero((some.labels < 0) | (some.labels >= len(names)))
        if len(outside):
            first = int(outside[0])
            problems.append(
                f"{root / shard.name}: sample {first} has the label {some.labels[first]}, which is not in "
                f"0..{len(names) - 1}"
            )
    if problems:
        raise UserError("\n".join(problems[:20]))
    numbers = np.repeat(np.arange(len(shards)), [len(some.labels) for some in samples])
    ranges = np.column_stack([numbers, np.concatenate([some.places for some in samples])])
    labels = np.concatenate([some.labels for some in samples])
    return Source.from_ranges(root, [shard.name for shard in shards], ranges, labels, names)


def names(root: Path, file: str, samples: Sequence[Samples], where: str) -> tuple[str, ...]:
    """Return the class names in a file, or those that the labels of training make.

    Raises:
        UserError: the file is missing or damaged, or a number has no image.
    """
    if file:
        return classes.names(listed.locate(file, root))
    labels = np.concatenate([some.labels for some in samples])
    if len(labels) and labels.min() < 0:
        raise UserError(f"{where}: there are labels below 0, the least is {labels.min()}")
    return classes.numbered(labels, where)
