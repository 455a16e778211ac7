"""The images that a trained model is evaluated on: those of its run, of its recipe changed, or of a folder."""

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imgcls import cache as copies
from imgcls.data import index as indexing
from imgcls.data.division import Division
from imgcls.data.index import Index, Progress
from imgcls.data.prepare import find
from imgcls.data.quarantine import without_listed
from imgcls.data.source import Source
from imgcls.errors import UserError
from imgcls.plan import IndexFile, Plan

if TYPE_CHECKING:
    from imgcls.recipe import Recipe

_SHOWN = 10
Find = Callable[[str], Source | None]  # takes "train" or "validation"


@dataclass(frozen=True, eq=False)
class Chosen:
    """Images to evaluate on.

    Attributes:
        index: of them, with the labels that the model gives.
        skip: whether what cannot be decoded is left out.
        about: where they are from, in a few words.
        notes: what the user should know of them, a line each.
    """

    index: Index
    skip: bool
    about: str
    notes: tuple[str, ...] = ()


def of_plan(plan: Plan, split: str, division: Division | None, cache: Path, progress: Progress) -> Chosen:
    """Return the images of a run's split: by the index that it was planned with, else found again.

    Args:
        plan: of the run.
        split: ``train`` or ``validation``.
        division: of the run's training set; None: not known.
        cache: folder of index files.
        progress: called with the number of image headers read and of all.

    Raises:
        UserError: the images are gone, or have other classes now.
    """
    file = plan.data.train if split == "train" else plan.data.validation
    skip = plan.data.on_bad_image == "skip"
    what = _named(split, division)
    about = f"{what} of {plan.data.dataset.name}, as in the run"
    kept = _kept(file, cache)
    if kept is not None:
        if kept.paths is not None:
            kept = replace(kept, root=_fetched(plan, split, division) or kept.root)
        if kept.paths is not None and not kept.root.is_dir():
            raise UserError(
                f"the images of this run were in {kept.root}, which is not there any more; "
                "give --set data.root=DIR, or --data DIR"
            )
        return Chosen(kept, skip, about)
    train, validation = (plan.data.dataset.construct(split=name) for name in ("train", "validation"))
    if validation is None and division is None:
        raise UserError(
            f"{file.path} is gone, and without the run's recipe.toml it is not known which images were held out "
            "for validation; give --data DIR"
        )
    # not known and with a validation set: most likely nothing was held out, else the digest tells
    part = _part(train, validation, split, division or Division(plan.seed, 0.0), cache, progress, skip)
    if part.digest == file.digest:
        return _chosen(part, skip, about, plan)
    now = f"{len(part):,} now" if len(part) != file.samples else "as many now, of other names or sizes"
    note = f"the images are not those that the run had: {file.samples:,} then, {now}"
    return _chosen(part, skip, f"{what} of {plan.data.dataset.name}, found again", plan, note)


def _fetched(plan: Plan, split: str, division: Division | None) -> Path | None:
    """Return the root of a split whose data another host had fetched from an address; None: there is none."""
    dataset, file = plan.data.dataset, plan.data.train if split == "train" else plan.data.validation
    is_here = Path(file.root).is_relative_to(copies.folder("")) and Path(file.root).is_dir()
    if is_here or not any("://" in str(value) for value in dataset.options.values()):
        return None
    is_own = split == "validation" and (division is None or division.holdout is None)
    validation: Source | None = dataset.construct(split="validation") if is_own else None
    found: Source = validation or dataset.construct(split="train")
    return found.root


def of_recipe(recipe: "Recipe", plan: Plan, split: str, cache: Path, progress: Progress) -> Chosen:
    """Return the images of a split of the dataset that a recipe names, for the model of a plan.

    Raises:
        UserError: they are missing or damaged, or of classes that the model does not know.
    """
    skip = recipe.on_bad_image == "skip"
    train, validation = find(recipe)
    division = Division.of(recipe)
    part = _part(train, validation, split, division, cache, progress, skip)
    about = f"{_named(split, division)} of {recipe.data.found.name}, with --set"
    return _chosen(part, skip, about, plan, *_trained_on(part, plan, cache))


def of_folder(look: Find, root: str, plan: Plan, split: str, cache: Path, progress: Progress) -> Chosen:
    """Return the images of a folder of class folders, or of the split of one that has ``train`` and ``val``.

    Args:
        look: the dataset ``image_folder`` over that folder.
        root: the folder, as the user wrote it.
        plan: of the model.
        split: of a folder with both; a plain folder of class folders is taken whole.
        cache: folder of index files.
        progress: called with the number of image headers read and of all.

    Raises:
        UserError: there are no images, or some of classes that the model does not know.
    """
    train, validation = look("train"), look("validation")
    assert train is not None
    has_splits = validation is not None or (train.root.name == "train" and Path(root).name != "train")
    if split == "validation" and has_splits and validation is None:
        raise UserError(f"--data {root}: has train, but no val; give --split train, or name a folder in it")
    source = validation if split == "validation" and validation is not None else train
    skip = plan.data.on_bad_image == "skip"
    part, _ = without_listed(cache, indexing.build(source, cache, progress, skip))
    return _chosen(part, skip, str(source.root), plan, *_trained_on(part, plan, cache))


def _chosen(index: Index, skip: bool, about: str, plan: Plan, *notes: str) -> Chosen:
    """Return the images with the model's labels, and a note of its classes that have none."""
    index = _matched(index, plan.data.classes)
    counts = np.bincount(index.labels, minlength=len(plan.data.classes))
    missing = [name for name, count in zip(plan.data.classes, counts.tolist(), strict=True) if not count]
    if missing:
        notes = (*notes, f"no image of {len(missing):,} of the model's classes: {_listed(missing)}")
    return Chosen(index, skip, about, notes)


def _trained_on(index: Index, plan: Plan, cache: Path) -> list[str]:
    """Return a note where files are among those that the model was trained on, as far as that is still known."""
    train = _kept(plan.data.train, cache)
    if train is None or not (train.are_files and index.are_files):
        return []
    count = len(_files(index) & _files(train))
    return [f"the model was trained on {count:,} of these {len(index):,} images"] if count else []


def _files(index: Index) -> set[bytes]:
    assert index.paths is not None
    root = os.path.realpath(os.fsencode(index.root))
    return {os.path.normpath(root + b"/" + path) for path in index.paths}


def _kept(file: IndexFile, cache: Path) -> Index | None:
    """Return the index that a run was planned with; None where it is gone, or is another one."""
    # a storage that was moved keeps its indexes
    for path in (Path(file.path), cache / Path(file.path).name):
        try:
            index = Index.load(path, Path(file.root))
        except (OSError, ValueError, KeyError, TypeError):  # pyarrow's errors are of these kinds
            continue
        if index.digest == file.digest:
            return index
    return None


def _part(
    train: Source,
    validation: Source | None,
    split: str,
    division: Division,
    cache: Path,
    progress: Progress,
    skip: bool,
) -> Index:
    """Return the index of a split, as :func:`imgcls.data.prepare.prepare` makes both; the other stays unread."""
    if split == "validation" and validation is not None and division.holdout is None:
        return without_listed(cache, indexing.build(validation, cache, progress, skip))[0]
    mine, held_out = division.divide(indexing.build(train, cache, progress, skip), validation is not None, cache)
    if split == "train":
        return mine
    assert held_out is not None
    return held_out


def _named(split: str, division: Division | None) -> str:
    """Return what to call the images of a split: whoever reads a score shall see that it is a holdout's."""
    has_holdout = division is not None and division.holdout is not None
    return "holdout" if split == "validation" and has_holdout else split


def _matched(index: Index, classes: tuple[str, ...]) -> Index:
    """Return the index with the labels of a model's classes, found by name.

    Raises:
        UserError: images of classes that the model does not know; all those classes are named.
    """
    if index.classes == classes:
        return index
    numbers = {name: label for label, name in enumerate(classes)}
    present = [index.classes[label] for label in np.unique(index.labels).tolist()]
    unknown = [name for name in present if name not in numbers]
    if unknown:
        near = difflib.get_close_matches(unknown[0], classes, n=1)
        hint = f"the nearest to '{unknown[0]}' is '{near[0]}'" if near else f"it knows {_listed(classes)}"
        raise UserError(
            f"{index.root}: {len(unknown):,} of {len(present):,} classes are not the model's: {_listed(unknown)}; "
            f"{hint}; remove or rename them"
        )
    table = np.array([numbers.get(name, -1) for name in index.classes], np.int64)
    return replace(index, classes=classes, labels=table[index.labels])


def _listed(names: "list[str] | tuple[str, ...]") -> str:
    more = [f"and {len(names) - _SHOWN:,} more"] if len(names) > _SHOWN else []
    return ", ".join([*names[:_SHOWN], *more])
