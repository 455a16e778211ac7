"""A Recipe -> TOML text that says all of it, with where each value came from."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from imgcls.recipe.layers import SPACE, Table
from imgcls.recipe.locate import KeyPath
from imgcls.recipe.reader import LISTED, SECTIONS, SINGLE, Named, Recipe
from imgcls.recipe.tables import show, show_key
from imgcls.tuning.space import written


def to_toml(recipe: Recipe, with_origins: bool = False) -> str:
    """Return the recipe with every value there is, as TOML; with where each came from as comments."""
    blocks = [[("", name, value, (name,)) for name, value in (("about", recipe.about), ("seed", recipe.seed))]]
    lines = list(_lines(recipe, blocks[0], "default", with_origins))
    for header, path, rows, fallback in _tables(recipe):
        entries = [(header, key, value, (*path, key)) for key, value in rows.items()]
        lines += ["", header, *_lines(recipe, entries, fallback, with_origins)]
    return "\n".join(lines) + "\n"


def _tables(recipe: Recipe) -> Iterator[tuple[str, KeyPath, Table, str]]:
    for key in SINGLE:
        named: Named = getattr(recipe, key)
        shares = {"validation": recipe.validation, "holdout": recipe.holdout, "fraction": recipe.fraction}
        core = {**shares, "split_seed": recipe.split_seed, "on_bad_image": recipe.on_bad_image}
        extra = core if key == "data" else {}
        rows = {"name": named.found.name, **extra, **asdict(named.options)}
        yield f"[{key}]", (key,), rows, f"default of {named.found.name} ({named.found.origin})"
    for key in LISTED:
        for index, named in enumerate(getattr(recipe, key)):
            rows = {"name": named.found.name, **asdict(named.options)}
            yield f"[[{key}]]", (key, index), rows, f"default of {named.found.name} ({named.found.origin})"
    for key in SECTIONS:
        if key == "input":
            yield "[input]", ("input",), _input(recipe), f"of {recipe.model.found.name}"
        elif (value := getattr(recipe, key)) is not None:
            yield f"[{key}]", (key,), asdict(value), "default"
        if key == "tune" and recipe.space:
            yield "[tune.space]", SPACE, {p.key: written(p) for p in recipe.space}, "default"
        if key == "distill" and (model := recipe.distill_model) is not None:
            rows = {"name": model.found.name, **asdict(model.options)}
            yield "[distill.model]", ("distill", "model"), rows, f"default of {model.found.name}"


def _input(recipe: Recipe) -> Table:
    from imgcls.plan import resolve_format  # plan knows recipes, so not at the top

    form = resolve_format(recipe)
    return {**asdict(form), "train_size": form.training.size}


def _lines(
    recipe: Recipe, entries: Sequence[tuple[str, str, Any, KeyPath]], fallback: str, with_origins: bool
) -> Iterator[str]:
    for _, key, value, path in entries:
        text = f"# {show_key(key)} is not set" if value is None else f"{show_key(key)} = {show(value)}"
        if with_origins:
            said = path in recipe.origins.origins
            origin = recipe.origins.where(path)[1] if said else fallback
            text = f"{text:<44} # {origin}" if value is not None else f"{text} ({origin})"
        yield text
