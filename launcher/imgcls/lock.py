"""run.lock.json: what a run was made of, so that it can be repeated, or be said why not. Imports no torch."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcls import worker_counts
from imgcls.errors import UserError
from imgcls.plugins import GROUP, OWN_DISTRIBUTION
from imgcls.run_folder import RunFolder, read_json, write_whole
from imgcls.surroundings import code, this_platform, versions

if TYPE_CHECKING:
    from imgcls.plan import Plan, Reference
    from imgcls.recipe import Recipe

_LAYOUT = 1
# beside what a plan records: libraries whose code takes part in a run's numbers
_LIBRARIES = ("pytorch-optimizer", "safetensors", "scipy")
_GONE = "not installed"
_WORKERS = "workers: "


@dataclass(frozen=True)
class Lock:
    """What a run was made of.

    Attributes:
        recipe: TOML text with every value written out.
        seed: of the run.
        workers: processes that train; 0: in the driver, without Ray.
        versions: of Python and of packages, by name.
        code: SHA-256 of the code of each package that the run has components of.
        modules: top-level modules in which a package's code is looked for where it lists no files of its own.
        data: split -> digest of its index.
        weights: SHA-256 of the file that the model starts from; None: it starts at random.
        teacher: SHA-256 of the file of the teacher that the model learns from; None: there is none.
        platform: of the driver; for information.
        folder: where the command was given; a recipe's relative paths begin there.
        changed: what became another while the run was continued, a line each.
    """

    recipe: str
    seed: int
    workers: int
    versions: dict[str, str]
    code: dict[str, str]
    modules: dict[str, list[str]]
    data: dict[str, str]
    weights: str | None
    platform: dict[str, Any]
    folder: str
    teacher: str | None = None
    changed: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """Return the lock as JSON text."""
        return json.dumps({"layout": _LAYOUT, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"


def make(recipe: "Recipe", plan: "Plan") -> Lock:
    """Return the lock of a run that is about to begin here."""
    from imgcls.recipe import to_toml

    # what the recipe is expected to reach says nothing of one that the command line changed
    told = replace(recipe, expect=None) if recipe.overridden else recipe
    modules = modules_of(plan)
    teacher = None if plan.distill is None else plan.distill.weights
    return Lock(
        recipe=to_toml(told),
        seed=plan.seed,
        workers=plan.workers.count,
        versions=versions([*plan.versions, *_LIBRARIES, *modules]),
        code=code(modules),
        modules=modules,
        data={"train": plan.data.train.digest, "validation": plan.data.validation.digest},
        weights=None if plan.weights is None else plan.weights.sha256,
        platform=this_platform(),
        folder=str(Path.cwd()),
        teacher=None if teacher is None else teacher.sha256,
    )


def record(folder: RunFolder, recipe: "Recipe", plan: "Plan") -> list[str]:
    """Write the lock of a run that begins; add to that of one that is continued what has become another.

    Returns:
        What has become another, a line each.
    """
    new = make(recipe, plan)
    if not any(folder.checkpoints.glob("step-*")):
        write_whole(folder.provenance, new.to_json())
        return []
    try:
        old = read(folder)
        changed = differences(old, new)
    except UserError:
        old, changed = new, ["run.lock.json: was missing or damaged when the run was continued"]
    if changed or old is new:
        every = [*old.changed, *(line for line in changed if line not in old.changed)]
        write_whole(folder.provenance, replace(old, changed=every).to_json())
    return changed


def read(folder: RunFolder) -> Lock:
    """Return the lock in a run's folder.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = folder.provenance
    if not path.is_file():
        what = "is no run's folder" if not folder.plan.is_file() else "was made by an imgcls that wrote no lock"
        raise UserError(f"{folder.path}: has no {path.name}; it {what}")
    try:
        tree = read_json(path)
        if tree["layout"] != _LAYOUT:
            raise UserError(f"{path}: was written by another version of imgcls; its layout is {tree['layout']}")
        # locks of runs before there were teachers have no word of them
        lock = Lock(**{each.name: {"teacher": None, **tree}[each.name] for each in fields(Lock)})
        _check(lock)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: is damaged ({type(error).__name__}: {error}); nothing was started") from None
    return lock


def _check(lock: Lock) -> None:
    kinds: dict[str, Any] = {"recipe": str, "seed": int, "workers": int, "folder": str, "changed": list}
    kinds |= {"weights": str | None, "teacher": str | None}
    for each in fields(Lock):
        if not isinstance(getattr(lock, each.name), kinds.get(each.name, dict)):
            raise TypeError(f"{each.name} is not of its type")


def as_it_ran(folder: RunFolder, lock: Lock) -> Lock:
    """Return a run's lock with what its workers recorded of their number in place of what was asked for.

    Raises:
        UserError: the record is damaged.
    """
    counts = worker_counts.read(folder.worker_counts)
    if not counts:
        return lock
    first = counts[0].workers
    # those that were asked for may never have trained
    changed = [line for line in lock.changed if not line.startswith(_WORKERS)]
    changed += [
        f"{_WORKERS}{now.workers} from step {now.step} on, {before.workers} before"
        for before, now in pairwise(counts)
    ]
    return replace(lock, workers=lock.workers if max(1, lock.workers) == first else first, changed=changed)


def here(old: Lock) -> Lock:
    """Return a lock with this environment's versions, code and platform in place of its own."""
    names = {"python", *old.versions}
    return replace(old, versions=versions(names), code=code(old.modules), platform=this_platform())


def differences(old: Lock, new: Lock) -> list[str]:
    """Return what stops a second run from being the first, a line each; the platform does not count."""
    rows: list[tuple[str, Any, Any]] = [("seed", old.seed, new.seed)]
    # without Ray or on one worker of it, the same is computed
    if max(1, old.workers) != max(1, new.workers):
        rows.append(("workers", old.workers, new.workers))
    rows += _rows("", old.versions, new.versions)
    rows += _rows("code of ", old.code, new.code)
    rows += _rows("data, ", old.data, new.data)
    rows += [("weights", old.weights, new.weights), ("teacher", old.teacher, new.teacher)]
    return [f"{what}: was {was}, is {now}" for what, was, now in rows if was != now]


def on_another_platform(old: Lock, new: Lock) -> list[str]:
    """Return what is another of the machine, a line each: sums may be rounded in another way on it."""
    rows = _rows("", old.platform, new.platform)
    return [f"{what}: was {was}, is {now}" for what, was, now in rows if was != now]


def _rows(prefix: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    names = sorted(old.keys() | new.keys())
    return [(f"{prefix}{name}", old.get(name, _GONE), new.get(name, _GONE)) for name in names]


def modules_of(plan: "Plan") -> dict[str, list[str]]:
    """Return the packages that a plan has components of, each with its top-level modules."""
    found: dict[str, set[str]] = {OWN_DISTRIBUTION: {"imgcls"}}
    for reference in _references(plan):
        name = reference.origin.rpartition(" ")[0]
        places = (reference.build, reference.options_type, reference.layouts)
        tops = {place.partition(":")[0].partition(".")[0] for place in places if place}
        if name != OWN_DISTRIBUTION:
            tops -= {"imgcls"}  # a plugin without options names imgcls's own empty class
        found.setdefault(name, set()).update(tops)
    for name, tops in found.items():
        try:
            points = distribution(name).entry_points.select(group=GROUP)
        except PackageNotFoundError:
            continue
        tops |= {point.module.partition(".")[0] for point in points}
    return {name: sorted(tops) for name, tops in found.items()}


def _references(plan: "Plan") -> Iterator["Reference"]:
    yield from (plan.data.dataset, plan.model, plan.optimizer, plan.schedule, plan.loss)
    yield from (*plan.augment, *plan.callback, *plan.track)
    if plan.distill is not None:
        yield plan.distill.model
