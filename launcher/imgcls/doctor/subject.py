"""What is looked for: the packages that are installed, or what one recipe needs."""

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcls.doctor import data
from imgcls.doctor.facts import Request
from imgcls.doctor.findings import Finding
from imgcls.doctor.storage import storage_probe
from imgcls.errors import UserError
from imgcls.plugins import OWN_DISTRIBUTION, installed

if TYPE_CHECKING:
    from imgcls.recipe import Recipe

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Subject:
    """What is looked for, and what is found out while it is put together.

    Attributes:
        here: name of this node.
        request: to every node.
        findings: of what is wrong here already.
    """

    here: str
    request: Request
    findings: list[Finding]


def subject(recipe: "Recipe | None", storage: str, progress: Progress, ending: ExitStack) -> Subject:
    """Return what is looked for, with a note in the storage until ``ending`` ends.

    Args:
        recipe: whose data and packages count; None: every plugin that is installed, and no data.
        storage: folder of runs, or an address.
        progress: called with the number of image headers read and of all.
        ending: takes what is to be undone.
    """
    here = socket.gethostname()
    found = _broken(here)
    try:
        probe = ending.enter_context(storage_probe(storage))
    except OSError as error:
        detail, mend = f"{storage} cannot be written: {error.strerror}", "free space, or set --storage"
        found.append(Finding("storage", here, "error", detail, mend))
        probe = None
    modules: dict[str, list[str]] = _installed()
    splits: tuple[data.Split, ...] = ()
    if recipe is not None and probe is not None:
        try:
            modules, splits = _of_recipe(recipe, storage, progress)
        except (UserError, OSError) as error:
            found.append(Finding("data", here, "error", str(error), "set data.root, or mend what is named"))
    return Subject(here, Request(modules, probe, splits), found)


def _of_recipe(
    recipe: "Recipe", storage: str, progress: Progress
) -> tuple[dict[str, list[str]], tuple[data.Split, ...]]:
    """Index the data as a launch does, and return the packages that count, and what is looked for of the data."""
    from imgcls import lock
    from imgcls.data.prepare import prepare
    from imgcls.plan import make
    from imgcls.storage.places import run_folder

    folder = run_folder(storage, recipe.name)
    folder.index_cache.mkdir(parents=True, exist_ok=True)
    plan = make(recipe, prepare(recipe, folder.index_cache, progress), recipe.name)
    splits = data.splits(plan.data, deep=True, carried=folder.address is not None)
    return lock.make(recipe, plan).modules, splits


def _installed() -> dict[str, list[str]]:
    found: dict[str, set[str]] = {OWN_DISTRIBUTION: {"imgcls"}}
    for plugin in installed().loaded:
        found.setdefault(plugin.distribution, set()).add(plugin.module.__name__.partition(".")[0])
    return {name: sorted(tops) for name, tops in found.items()}


def _broken(here: str) -> list[Finding]:
    return [
        Finding(
            "plugins",
            here,
            "warning",
            f"{each.plugin} of {each.distribution} {each.version} is not loaded: {each.error}",
            f"pip install --upgrade {each.distribution}, or pip uninstall {each.distribution}",
        )
        for each in installed().broken
    ]


def stray_address(here: str, answers: Callable[[str], str]) -> Sequence[Finding]:
    """Return what is to be said of a RAY_ADDRESS that is set, and that no command of ours follows by itself.

    Args:
        here: name of this node.
        answers: returns an address at which a cluster answers, and otherwise raises UserError within seconds.
    """
    stray = os.environ.get("RAY_ADDRESS")
    if not stray:
        return []
    try:
        answers(stray)
        what, mend = "is left aside", f"--address {stray} joins it"
    except UserError:
        what, mend = "is left aside, and no cluster answers there", "unset RAY_ADDRESS"
    return [Finding("address", here, "warning", f"RAY_ADDRESS = {stray} {what}", mend)]
