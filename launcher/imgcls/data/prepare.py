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
    build = load(dataset.found.component.build)
    train_source: Source = build(dataset.options, split="train")
    validation_source: Source | None = build(dataset.options, split="validation")
    if not len(train_source.labels):
        raise UserError(f"data {dataset.found.name}: the training set is empty")
    train = index.build(train_source, cache, progress)
    if validation_source is not None:
        _agree(train_source, validation_source)
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
