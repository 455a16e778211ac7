"""Pictures in one folder a class."""

import os
from collections.abc import Sequence
from pathlib import Path

from imgcls import Source, UserError
from imgcls_datasets.options import ImageFolder
from imgcls_datasets.remote import local

ENDINGS = {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".tif", ".tiff", ".webp", ".jp2", ".ppm", ".pgm", ".pnm"}
VALIDATION = ("val", "validation", "valid", "test")


def build(options: ImageFolder, split: str) -> Source | None:
    """The images below ``root/train`` and ``root/val``, or below ``root`` where there is no ``train``.

    Raises:
        UserError: no folder, no classes, a class without images, other classes in validation than in train.
    """
    root = local(options.root)
    if not root.is_dir():
        raise UserError(
            f"data image_folder: there is no folder {root}; set data.root to your folder of class folders"
        )
    train = root / "train" if (root / "train").is_dir() else root
    classes = class_folders(train)
    if split == "train":
        return files_by_class(train, classes)
    if train is root:
        return None
    validation = next((root / name for name in VALIDATION if (root / name).is_dir()), None)
    return None if validation is None else files_by_class(validation, agreeing(train, validation, classes))


def class_folders(folder: Path) -> list[str]:
    """Return the names of the class folders, sorted: a name's place is its label.

    Raises:
        UserError: there is none.
    """
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise UserError(f"{folder}: there are no class folders; expected one folder of images for each class")
    return names


def agreeing(train: Path, validation: Path, classes: Sequence[str]) -> Sequence[str]:
    """Return the classes, which must be the same in both folders.

    Raises:
        UserError: they are not; the difference is shown.
    """
    mine, theirs = set(classes), set(class_folders(validation))
    if mine != theirs:
        parts = [
            f"only in {folder}: {', '.join(sorted(names))}"
            for folder, names in ((train, mine - theirs), (validation, theirs - mine))
            if names
        ]
        raise UserError("the classes of training and validation differ; " + "; ".join(parts))
    return classes


def files_by_class(folder: Path, classes: Sequence[str]) -> Source:
    """Return the images of each class folder, sorted by path.

    Raises:
        UserError: classes without images; all are named.
    """
    paths: list[str] = []
    labels: list[int] = []
    empty = []
    for label, name in enumerate(classes):
        mine = sorted(_images(folder, name))
        if not mine:
            empty.append(f"{folder / name}: the class has no image")
        paths += mine
        labels += [label] * len(mine)
    if empty:
        endings = " ".join(sorted(ENDINGS))
        raise UserError("\n".join([*empty, f"remove the folder, or add images ({endings})"]))
    return Source.from_files(folder, paths, labels, classes)


def _images(folder: Path, name: str) -> list[str]:
    found = []
    for directory, folders, files in os.walk(folder / name, followlinks=True):
        folders[:] = [inner for inner in folders if not inner.startswith(".")]
        below = Path(directory).relative_to(folder)
        # a leading dot marks what file managers leave behind, such as macOS's ._name.jpg
        found += [str(below / f) for f in files if not f.startswith(".") and Path(f).suffix.lower() in ENDINGS]
    return found
