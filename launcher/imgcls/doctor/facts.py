"""What a node tells of itself: plain data, gathered there and judged elsewhere."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from imgcls.doctor import machine
from imgcls.doctor.data import Split, wrong_with
from imgcls.doctor.names import Names, Token, names, token
from imgcls.doctor.storage import Answer, Probe, visited
from imgcls.surroundings import python_code, versions

DALI = "DALI"
DALI_BUILDS = ("nvidia-dali-cuda130", "nvidia-dali-cuda120")
_LIBRARIES = ("imgcls", "torch", "ray", "numpy")


@dataclass(frozen=True)
class Request:
    """What a node is asked for.

    Attributes:
        modules: package -> top-level modules, whose code must be the same everywhere.
        storage: what to look for in the storage; None: nothing.
        splits: what to look for of the data.
        deep: ask for what takes seconds too: the GPUs.
    """

    modules: Mapping[str, list[str]]
    storage: Probe | None = None
    splits: tuple[Split, ...] = ()
    deep: bool = True

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> "Request":
        """Return what ``dataclasses.asdict`` made a tree of."""
        probe = tree["storage"]
        splits = tuple(Split(**each) for each in tree["splits"])
        return cls(tree["modules"], probe and Probe(**probe), splits, tree["deep"])


@dataclass(frozen=True)
class Facts:
    """What a node is; sizes in bytes.

    Attributes:
        executable: its Python.
        versions: of Python and of packages, by name.
        dali_builds: packages of DALI that are installed; DALI's version is in ``versions``.
        code: package -> SHA-256 of its Python files.
        memory: free and total; empty: not known.
        shm: of /dev/shm; as ``memory``.
        open_files: how many a process may have open, soft and hard limit; -1: any number.
        gpus: name, driver, total and free memory of each; none where they were not asked for.
        gpu_complaint: what nvidia-smi complains of.
        storage: what came of looking for the driver's note; empty: not looked for.
        data: what is wrong with the data, a text each.
        names: how its host is known.
        token: how it proves itself to a cluster.
    """

    executable: str
    versions: Mapping[str, str]
    dali_builds: list[str]
    code: Mapping[str, str]
    memory: machine.Room
    shm: machine.Room
    open_files: machine.Room
    gpus: list[dict[str, str | int]]
    gpu_complaint: str
    storage: Answer
    data: list[str]
    names: Names
    token: Token

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> "Facts":
        """Return what ``dataclasses.asdict`` made a tree of.

        Raises:
            TypeError, KeyError: another imgcls made it.
        """
        return cls(**{**tree, "names": Names(**tree["names"]), "token": Token(**tree["token"])})

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain data."""
        return asdict(self)


def gather(request: Request, node: str) -> Facts:
    """Return the facts of this process's node.

    Args:
        request: what to look for.
        node: the name under which the driver's note is answered.
    """
    gpus, complaint = machine.gpus() if request.deep else ([], "")
    answer = visited(request.storage, node) if request.storage else {}
    # where the storage is another, so are the indexes in it, and that is said already
    splits = [replace(each, index=("", 0)) if answer.get("error") else each for each in request.splits]
    return Facts(
        executable=sys.executable,
        versions=_versions(request.modules),
        dali_builds=[build for build in DALI_BUILDS if build in versions(DALI_BUILDS)],
        code=python_code(request.modules),
        memory=machine.memory(),
        shm=machine.shared_memory(),
        open_files=machine.open_files(),
        gpus=gpus,
        gpu_complaint=complaint,
        storage=answer,
        data=[wrong for split in splits if (wrong := wrong_with(split))],
        names=names(),
        token=token(),
    )


def _versions(packages: Mapping[str, list[str]]) -> dict[str, str]:
    found = versions([*_LIBRARIES, *packages])
    builds = versions(DALI_BUILDS)
    mine = [builds[build] for build in DALI_BUILDS if build in builds]
    return {**found, DALI: mine[0]} if mine else found
