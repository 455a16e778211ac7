"""A trial's runs: its values and a rung, laid over the search's recipe -> a plan in a run's folder."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcls import lock
from imgcls.plan import Plan
from imgcls.run_folder import RunFolder, write_whole
from imgcls.tuning.fidelity import values_at
from imgcls.tuning.space import overrides_of
from imgcls.tuning.study import Asked, Rung, Study

if TYPE_CHECKING:
    from imgcls.recipe import Recipe

_KEPT = 4  # checkpoints of a run that others may take over

Flags = list[tuple[str, dict[str, Any]]]


def flags_of(study: Study, asked: Asked, values: Mapping[str, Any], rung: Rung) -> Flags:
    """Return all that is laid over the search's recipe for a run.

    Args:
        study: the search.
        asked: what it was asked for.
        values: of the trial: dotted key -> value.
        rung: how much of a whole run it gets.

    Raises:
        UserError: the values do not go together.
    """
    chosen: Flags = overrides_of(values)
    recipe = _read(study.recipe, chosen)
    more = values_at(recipe, asked.fidelity, rung.share)
    if asked.scheduler == "pbt":  # every report has a checkpoint, which others may take over
        more["checkpoint.every_epochs"] = recipe.train.evaluate_every
        more["checkpoint.keep"] = max(_KEPT, recipe.checkpoint.keep)
    if asked.holdout is not None:
        more["data.holdout"] = asked.holdout
    workers = {"count": asked.workers, "least": 0, "cpus": asked.cpus}
    return [*chosen, *overrides_of(more), ("imgcls tune", {"workers": workers})]


def recipe_of(study: Study, flags: Flags) -> "Recipe":
    """Return the recipe of a run.

    Raises:
        UserError: the values do not go together.
    """
    return _read(study.recipe, flags)


def text_of(study: Study, flags: Flags) -> str:
    """Return the same as TOML, as a person would write it: values that are not set are left to their defaults."""
    from imgcls.recipe.layers import merge
    from imgcls.recipe.text import to_text

    return to_text(merge(study.recipe, (), flags).tree)


def plan_of(recipe: "Recipe", name: str, cache: Path) -> Plan:
    """Return the plan of a run.

    Args:
        recipe: of the run.
        name: of the run.
        cache: folder of data indexes.

    Raises:
        UserError: the data, the weights or the teacher cannot be had; values that do not go together.
    """
    from imgcls.data.prepare import prepare
    from imgcls.distillation import resolve
    from imgcls.plan import make
    from imgcls.weights import locate

    cache.mkdir(parents=True, exist_ok=True)
    data = prepare(recipe, cache, lambda _done, _of: None)
    start = recipe.weights
    weights = None if start.source is None else locate(start.source, start.sha256 or "", start.layout or "")
    return make(recipe, data, name, weights, resolve(recipe, data.classes))


def begin(folder: RunFolder, recipe: "Recipe", plan: Plan) -> None:
    """Write a run's plan, recipe and lock into its folder.

    Raises:
        UserError: it cannot be written.
    """
    from imgcls.recipe import to_toml

    folder.create()
    write_whole(folder.plan, plan.to_json())
    write_whole(folder.recipe, to_toml(recipe))
    lock.record(folder, recipe, plan)


def copy_checkpoint(source: Path, folder: RunFolder) -> None:
    """Put a checkpoint into a run's folder, as the one to go on from; files that cannot be linked are copied."""
    target = folder.checkpoints / source.name
    temporary = target.with_name(f".{target.name}.copy")
    shutil.rmtree(temporary, ignore_errors=True)
    folder.checkpoints.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, temporary, copy_function=_link)
    if not target.exists():
        temporary.replace(target)
    write_whole(folder.checkpoints / "latest", target.name)


def _link(source: str, target: str) -> None:
    try:
        Path(target).hardlink_to(source)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _read(path: Path, flags: Flags) -> "Recipe":
    from imgcls.plugins import installed
    from imgcls.recipe import read

    return read(path, installed(), (), flags)
