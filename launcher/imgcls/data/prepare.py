"""What the driver does with a dataset before a run: find it, index it, split it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from imgcls.component import load
from imgcls.data import index
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
    dataset = recipe.data
    train_source, validation_source = find(recipe)
    train = index.build(train_source, cache, progress)
    if validation_source is not None:
        validation = index.build(validation_source, cache, progress)
    else:
        mine, held_out = stratified(train.labels, recipe.validation, recipe.seed)
        if not len(held_out):
            raise UserError(f"data {dataset.found.name}: every class has one image, none can be held out")
        train, validation = train.part(mine), train.part(held_out)
    return Data(
        dataset=Reference.of(dataset),
        classes=train.classes,
        train=_kept(train, cache),
        validation=_kept(validation, cache),
    )


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
    path = cache / f"{part.digest[:32]}.parquet"
    if not path.is_file():
        part.save(path)
    return IndexFile(absolute(str(path)), absolute(str(part.root)), part.digest, len(part))
