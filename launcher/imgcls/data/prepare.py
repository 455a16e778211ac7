"""What the driver does with a dataset before a run: find it, index it, split it."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from imgcls.component import load
from imgcls.data import index
from imgcls.data.division import Division
from imgcls.data.index import Index
from imgcls.data.quarantine import without_listed
from imgcls.data.source import Source
from imgcls.data.split import stratified
from imgcls.errors import UserError
from imgcls.plan import Data, IndexFile, Reference, absolute

if TYPE_CHECKING:
    from imgcls.recipe import Recipe


def prepare(recipe: "Recipe", cache: Path, progress: Callable[[int, int], None]) -> Data:
    """Return the data part of a plan, with both indexes written to the cache.

    Args:
        recipe: names the dataset.
        cache: folder that every worker sees.
        progress: called with the number of image headers read and of all.

    Raises:
        UserError: the data is missing or damaged.
    """
    train, validation = _divided(recipe, cache, progress)
    if recipe.sampling.weighted and train.weights is None:
        name = recipe.data.found.name
        raise recipe.error(("sampling", "weighted"), f"the dataset {name} gives no weights; leave it out")
    return Data(
        dataset=Reference.of(recipe.data),
        classes=train.classes,
        train=_kept(train, cache),
        validation=_kept(validation, cache),
        on_bad_image=recipe.on_bad_image,
    )


def _divided(recipe: "Recipe", cache: Path, progress: Callable[[int, int], None]) -> tuple[Index, Index]:
    """Return the indexes of what is trained and validated on; a validation set that is neither is not read."""
    skip = recipe.on_bad_image == "skip"
    train_source, validation_source = find(recipe)
    whole = index.build(train_source, cache, progress, skip)
    train, held_out = Division.of(recipe).divide(whole, validation_source is not None, cache)
    if held_out is not None:
        return train, held_out
    assert validation_source is not None
    return train, without_listed(cache, index.build(validation_source, cache, progress, skip))[0]


def indexes(
    recipe: "Recipe", cache: Path, progress: Callable[[int, int], None], skip_bad: bool | None = None
) -> tuple[Index, Index]:
    """Return the indexes of all that there is to train and validate on, as a check of the data looks at it.

    That is before the quarantine list, ``data.holdout`` and ``data.fraction``.

    Args:
        recipe: names the dataset.
        cache: folder of index files.
        progress: called with the number of image headers read and of all.
        skip_bad: leave out what is no image; None: as the recipe says.

    Raises:
        UserError: the data is missing or damaged.
    """
    skip = recipe.on_bad_image == "skip" if skip_bad is None else skip_bad
    train_source, validation_source = find(recipe)
    train = index.build(train_source, cache, progress, skip)
    if validation_source is not None:
        return train, index.build(validation_source, cache, progress, skip)
    mine, held_out = stratified(train.labels, recipe.validation, recipe.seed_of_split)
    if not len(held_out):
        raise UserError(f"data {recipe.data.found.name}: every class has one image, none can be held out")
    return train.part(mine), train.part(held_out)


def find(recipe: "Recipe") -> tuple[Source, Source | None]:
    """Return the samples of training and, where the dataset has its own, validation; nothing is read yet.

    Raises:
        UserError: the data is missing, or the two have other classes.
    """
    dataset = recipe.data
    build = load(dataset.found.component.build)
    train: Source = build(dataset.options, split="train")
    if not len(train.labels):
        raise UserError(f"data {dataset.found.name}: the training set is empty")
    validation: Source | None = build(dataset.options, split="validation")
    if validation is not None:
        _agree(train, validation)
    return train, validation


def _agree(train: Source, validation: Source) -> None:
    if train.classes != validation.classes:
        mine, theirs = set(train.classes), set(validation.classes)
        raise UserError(
            "the classes of training and validation differ; "
            f"only in training: {sorted(mine - theirs)}; only in validation: {sorted(theirs - mine)}"
        )


def _kept(part: Index, cache: Path) -> IndexFile:
    # the same images may be what is left of other ones
    rest = f"-{hashlib.sha256(repr(part.left_out).encode()).hexdigest()[:8]}" if part.left_out else ""
    path = cache / f"{part.digest[:32]}{rest}.parquet"
    if not path.is_file():
        part.save(path)
    return IndexFile(absolute(str(path)), absolute(str(part.root)), part.digest, len(part))
