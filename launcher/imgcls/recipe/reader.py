"""Reads a recipe: merged layers -> a frozen, typed Recipe, or all its problems at once."""

import difflib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from imgcls.errors import UserError
from imgcls.plugins import KINDS, Found, Plugins, UnknownComponent
from imgcls.recipe import tuning
from imgcls.recipe.distill import conflicts
from imgcls.recipe.layers import DEFAULTS, SPACE, Merged, Table, is_file, merge
from imgcls.recipe.locate import KeyPath
from imgcls.recipe.problems import Problem, RecipeError
from imgcls.recipe.schema import (
    Checkpointing,
    Distill,
    Expectation,
    Input,
    Loading,
    OnBadImage,
    Progressive,
    Sampling,
    Start,
    Train,
    Tune,
    Workers,
)
from imgcls.recipe.tables import check_table, describe, show, unknown_option
from imgcls.tuning.space import Parameter, overrides_of

__all__ = ["Named", "Recipe", "RecipeError", "find", "read", "shipped"]

SECTIONS: dict[str, type] = {
    "weights": Start,
    "input": Input,
    "progressive": Progressive,
    "distill": Distill,
    "train": Train,
    "sampling": Sampling,
    "checkpoint": Checkpointing,
    "loading": Loading,
    "workers": Workers,
    "expect": Expectation,
    "tune": Tune,
}
# sections that mean something by being there
OPTIONAL = ("expect", "tune")
# table -> the kind of component it names
SINGLE = {
    "model": "models",
    "data": "datasets",
    "optimizer": "optimizers",
    "schedule": "schedules",
    "loss": "losses",
}
LISTED = {"augment": "augmentations", "track": "trackers", "callback": "callbacks"}
SCALARS: dict[str, tuple[type, Any]] = {"about": (str, ""), "seed": (int, 0)}
# keys of [data] that are the core's, whatever the dataset
RESERVED = {"data": {"name", "validation", "split_seed", "holdout", "fraction", "on_bad_image"}}
# tables within sections that name a component
NESTED = {"distill": ("model", "models")}
# tables within sections that are no options
INNER = {"distill": "model", "tune": "space"}
# tables that change nothing of what is trained
UNTRAINED = {"workers", "loading", "tune"}
TOP_LEVEL = ["extends", *SCALARS, *SINGLE, *LISTED, *SECTIONS]


@dataclass(frozen=True)
class Named:
    """A component with the options a recipe gives it."""

    found: Found
    options: Any


@dataclass(frozen=True)
class Recipe:
    """What a person wrote, checked and complete. ``origins`` says where each value came from."""

    path: Path
    about: str
    seed: int
    model: Named
    data: Named
    validation: float
    split_seed: int | None
    holdout: float | None
    fraction: float
    on_bad_image: OnBadImage
    optimizer: Named
    schedule: Named
    loss: Named
    augment: tuple[Named, ...]
    track: tuple[Named, ...]
    callback: tuple[Named, ...]
    weights: Start
    input: Input
    progressive: Progressive
    distill: Distill
    distill_model: Named | None
    train: Train
    sampling: Sampling
    checkpoint: Checkpointing
    loading: Loading
    workers: Workers
    expect: Expectation | None
    tune: Tune | None
    space: tuple[Parameter, ...]
    origins: Merged = field(repr=False, compare=False)

    def error(self, path: KeyPath, text: str) -> RecipeError:
        """Return the error of a value that is well formed but does not go with the others."""
        return RecipeError([self.origins.problem(path, text)])

    @property
    def seed_of_split(self) -> int:
        """What the division of the training set is drawn by: the run's seed, where the recipe says no other."""
        return self.seed if self.split_seed is None else self.split_seed

    @property
    def overridden(self) -> bool:
        """Whether the command line changed what is trained, so that the expectation does not apply."""
        layers = (layer for layer, _ in self.origins.origins.values())
        return any(layer.text is None and not layer.tree.keys() <= UNTRAINED for layer in layers)

    @property
    def name(self) -> str:
        """The recipe's short name: its file's, without the ending."""
        return self.path.stem


def shipped() -> dict[str, Path]:
    """Return the recipes that come with imgcls, by name."""
    package = Path(__file__).parents[2]
    # beside the package in a wheel, at the top of the repository in a clone
    folders = (package / "imgcls_recipes", package.parent / "recipes")
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def find(recipe: str) -> Path:
    """Return the file that a command's RECIPE argument means: a path, or the name of a shipped recipe.

    Raises:
        UserError: neither is there.
    """
    path = Path(recipe)
    if is_file(path):
        return path
    known = shipped()
    # `recipes/digits_lenet.toml` is also found where there is no clone
    name = path.stem if path.suffix == ".toml" and path.parent.name in ("", "recipes") else recipe
    if name in known:
        return known[name]
    near = difflib.get_close_matches(path.stem[:100], known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"shipped recipes: {', '.join(known)}"
    raise UserError(f"{recipe}: there is no such file, and no shipped recipe of that name; {hint}")


def read(
    path: Path,
    plugins: Plugins,
    overrides: Sequence[str] = (),
    flags: Sequence[tuple[str, Table]] = (),
    search: bool = False,
) -> Recipe:
    """Read and check a recipe.

    Args:
        path: the TOML file.
        plugins: where components are looked up.
        overrides: ``key=value`` texts of ``--set``.
        flags: further options of the command line, as (text, table).
        search: whether it is read to be searched, so that what ``tune.space`` may lay over it is tried, too.

    Raises:
        RecipeError: with every problem of the recipe, sorted by line.
    """
    reader = _Reader(merge(path, overrides, flags), plugins)
    if not search:
        return reader.recipe(path)

    def attempt(values: Mapping[str, Any]) -> Sequence[Problem]:
        from imgcls.plan import resolve_format  # plan knows recipes, so not at the top

        try:
            merged = merge(path, overrides, [*flags, *overrides_of(values)])
            merged.tree.pop("tune", None)
            resolve_format(_Reader(merged, plugins).recipe(path))
        except RecipeError as error:
            return error.problems
        return ()

    return reader.searched(path, attempt)


class _Reader:
    def __init__(self, merged: Merged, plugins: Plugins) -> None:
        self.merged = merged
        self.tree = merged.tree
        self.plugins = plugins
        self.problems: list[Problem] = []

    def complain(self, path: KeyPath, text: str) -> None:
        self.problems.append(self.merged.problem(path, text))

    def recipe(self, path: Path) -> Recipe:
        for key in self.tree:
            if key not in TOP_LEVEL:
                self.complain((key,), unknown_option(key, TOP_LEVEL))
        values: dict[str, Any] = {key: self.scalar(key) for key in SCALARS}
        values |= {key: self.section(key) for key in SECTIONS}
        values["validation"] = self.share("validation", 0.1, "between 0 and 1")
        values["split_seed"] = self.split_seed()
        # 0: none, for what a recipe says can be changed, but not unsaid
        values["holdout"] = self.share("holdout", 0.0, "at least 0 and below 1", none=True) or None
        values["fraction"] = self.share("fraction", 1.0, "above 0 and at most 1", whole=True)
        values["on_bad_image"] = self.on_bad_image()
        values |= {key: self.single(key) for key in SINGLE}
        values |= {key: self.listed(key) for key in LISTED}
        values["distill_model"] = self.nested("distill")
        values["space"] = self.space(values["tune"])
        if self.problems:
            raise RecipeError(self.problems)
        for found in conflicts(values["distill"], values["distill_model"] is not None, values["train"]):
            self.complain(*found)
        workers: Workers = values["workers"]
        if workers.least > workers.count > 0:
            self.complain(("workers", "least"), f"{workers.least} is more than workers.count = {workers.count}")
        if self.problems:
            raise RecipeError(self.problems)
        return Recipe(path=path, origins=self.merged, **values)

    def searched(self, path: Path, attempt: tuning.Attempt) -> Recipe:
        """Return the recipe, if it can have all values of its space."""
        found = None
        with suppress(RecipeError):  # the problems are added to
            found = self.recipe(path)
        parameters = self.space(None)
        if "tune" in self.tree and not parameters and not self.problems:
            example = '"optimizer.lr" = { log_uniform = [0.01, 1.0] }'
            self.complain(("tune",), f"[tune.space] is missing; say there what is searched, as in {example}")
        for key, text in tuning.faults(parameters, attempt):
            self.complain((*SPACE, key), text)
        if found is None or self.problems:
            raise RecipeError(self.problems)
        return found

    def scalar(self, key: str) -> Any:
        expected, default = SCALARS[key]
        value = self.tree.get(key, default)
        if type(value) is not expected:
            words = "an integer" if expected is int else "a string"
            self.complain((key,), f"expected {words}, got {describe(value)}")
        elif isinstance(value, int) and not 0 <= value < 2**63:
            self.complain((key,), f"must be in 0..2^63-1, got {show(value)}")
        return value

    def table(self, path: KeyPath, value: Any) -> Table | None:
        if isinstance(value, dict):
            return value
        self.complain(path, f"expected a table, got {describe(value)}")
        return None

    def section(self, key: str) -> Any:
        if key in OPTIONAL and key not in self.tree:
            return None
        table = self.table((key,), self.tree.get(key, {}))
        inner = INNER.get(key, "")
        own = {k: v for k, v in table.items() if k != inner} if table is not None else None
        return None if own is None else self.options((key,), own, SECTIONS[key])

    def nested(self, key: str) -> Named | None:
        """Return the component that a section names in a table of its own; None where it names none."""
        inner, kind = NESTED[key]
        section = self.tree.get(key)
        if not isinstance(section, dict) or inner not in section:
            return None
        table = self.table((key, inner), section[inner])
        return None if table is None else self.named(inner, kind, (key, inner), table)

    def space(self, tune: Tune | None) -> tuple[Parameter, ...]:
        """Return what a search chooses from."""
        section = self.tree.get("tune")
        if not isinstance(section, dict) or "space" not in section:
            return ()
        table = self.table(SPACE, section["space"])
        if table is None:
            return ()
        parameters = tuning.space(table, tune, lambda path, text: self.complain((*SPACE, *path), text))
        for key, text in tuning.items_twice(parameters, self.tree):
            self.complain((*SPACE, key), text)
        return parameters

    def options(self, path: KeyPath, table: Table, cls: type, defaults: Any = None) -> Any:
        value, faults = check_table(table, cls, defaults)
        for inner, text in faults:
            self.complain((*path, *inner), text)
        return value

    def share(self, key: str, default: float, bounds: str, none: bool = False, whole: bool = False) -> float:
        """Return how much of train a key of [data] means; ``none``, ``whole``: it may be nothing, or all."""
        data = self.tree.get("data")
        if not isinstance(data, dict) or key not in data:
            return default
        value = data[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.complain(("data", key), f"expected a number, got {describe(value)}")
            return default
        if not (0 < value < 1 or (none and value == 0) or (whole and value == 1)):
            self.complain(("data", key), f"must be {bounds}, a share of train, got {value}")
        return float(value)

    def split_seed(self) -> int | None:
        """Return the seed of the split where it is another than the run's."""
        data = self.tree.get("data")
        value = data.get("split_seed") if isinstance(data, dict) else None
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            self.complain(("data", "split_seed"), f"expected an integer, got {describe(value)}")
            return None
        if value is not None and not 0 <= value < 2**63:
            self.complain(("data", "split_seed"), f"must be in 0..2^63-1, got {show(value)}")
        return value

    def on_bad_image(self) -> OnBadImage:
        data = self.tree.get("data")
        value = data.get("on_bad_image", "fail") if isinstance(data, dict) else "fail"
        found: OnBadImage | None = next((choice for choice in get_args(OnBadImage) if choice == value), None)
        if found is None:
            listed = ", ".join(repr(choice) for choice in get_args(OnBadImage))
            self.complain(("data", "on_bad_image"), f"{describe(value)} is not one of {listed}")
        return found or "fail"

    def single(self, key: str) -> Named | None:
        if key not in self.tree and key not in DEFAULTS:
            names = ", ".join(list(self.plugins.components(SINGLE[key]))[:4])
            self.complain((), f"[{key}] is missing; name one of `imgcls {SINGLE[key]}`, such as {names}")
            return None
        table = self.table((key,), self.tree.get(key, {}))
        return None if table is None else self.named(key, SINGLE[key], (key,), table)

    def listed(self, key: str) -> tuple[Named | None, ...]:
        items = self.tree.get(key, [])
        if not isinstance(items, list):
            self.complain((key,), f"expected a list of tables, each headed [[{key}]], got {describe(items)}")
            return ()
        tables = [(i, self.table((key, i), item)) for i, item in enumerate(items)]
        return tuple(self.named(key, LISTED[key], (key, i), table) for i, table in tables if table is not None)

    def named(self, key: str, kind: str, path: KeyPath, table: Table) -> Named | None:
        name = table.get("name", DEFAULTS.get(key))
        if not isinstance(name, str):
            text = "missing" if name is None else f"expected a string, got {describe(name)}"
            self.complain((*path, "name"), f"{text}; name {_one(kind)} of `imgcls {kind}`")
            return None
        try:
            found = self.plugins.find(kind, name)
        except UnknownComponent as error:
            self.complain((*path, "name"), str(error))
            return None
        taken = RESERVED.get(key, {"name"})
        own = {k: v for k, v in table.items() if k not in taken}
        component = found.component
        options = self.options(path, own, component.options, component.defaults)
        return Named(found, options)


def _one(kind: str) -> str:
    return f"a {KINDS[kind]}" if KINDS[kind][0] not in "aeiou" else f"an {KINDS[kind]}"
