"""What the driver does with a dataset before a run: find it, index it, split it."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imgcls.component import load
from imgcls.data import index, quarantine
from imgcls.data.index import Index
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
    train, validation = (without_quarantined(part, cache) for part in indexes(recipe, cache, progress))
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


def indexes(
    recipe: "Recipe", cache: Path, progress: Callable[[int, int], None], skip_bad: bool | None = None
) -> tuple[Index, Index]:
    """Return the indexes of training and validation, before the quarantine list is looked at.

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
    mine, held_out = stratified(train.labels, recipe.validation, recipe.seed)
    if not len(held_out):
        raise UserError(f"data {recipe.data.found.name}: every class has one image, none can be held out")
    return train.part(mine), train.part(held_out)


def without_quarantined(part: Index, cache: Path) -> Index:
    """Return the index without the samples that `imgcls data check` found to be no good.

    Raises:
        UserError: nothing is left.
    """
    listed = quarantine.read(cache, part)
    if not listed:
        return part
    good = np.setdiff1d(np.arange(len(part)), [entry.sample for entry in listed])
    if not len(good):
        raise UserError(f"{part.root}: every image is in quarantine; see `imgcls data check`")
    left_out = tuple((absolute(entry.path), f"in quarantine: {entry.reason}") for entry in listed)
    return replace(part.part(good), left_out=(*part.left_out, *left_out))


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
