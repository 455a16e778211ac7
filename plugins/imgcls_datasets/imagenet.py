"""ImageNet-1k: Russakovsky et al., 2014, arXiv:1409.0575, in the layouts that it is found in."""

from collections.abc import Callable
from pathlib import Path

from imgcls import Source, UserError
from imgcls_datasets import imagenet_labels, listed
from imgcls_datasets.image_folder import ENDINGS, agreeing, class_folders, files_by_class
from imgcls_datasets.options import ImageNet
from imgcls_datasets.remote import local

_KAGGLE = "ILSVRC/Data/CLS-LOC"
_DEVKIT = "ILSVRC2012_validation_ground_truth.txt"
_SOLUTION = "LOC_val_solution.csv"
_LIST = ("val.txt", "val_list.txt")
_LAYOUT = f"""expected:
    {{root}}/train/n01440764/n01440764_10026.JPEG   (1,281,167 images in 1,000 class folders)
and one of
    {{root}}/val/n01440764/ILSVRC2012_val_00000293.JPEG   (50,000 images in the same folders)
    {{root}}/val/ILSVRC2012_val_00000001.JPEG   with one of these in root, in val, or named by data.val_labels:
        val.txt   ('ILSVRC2012_val_00000001.JPEG 65': the class's number in the sorted order of its folder)
        {_SOLUTION}   (Kaggle's)
        {_DEVKIT}   (the development kit's, with its meta.mat beside it)
train and val may lie in {{root}}/{_KAGGLE}, as in Kaggle's archive.
ImageNet-1k is given out by image-net.org after registration; set data.root to the folder of train and val"""


def build(options: ImageNet, split: str) -> Source:
    """The images below ``train`` or ``val``.

    Raises:
        UserError: the files have no layout that is known, or the number of classes is another; the layouts are
            shown.
    """
    root = local(options.root)
    base = root / _KAGGLE if (root / _KAGGLE / "train").is_dir() else root
    train, validation = base / "train", base / "val"
    for folder in (train, validation):
        if not folder.is_dir():
            raise UserError(f"data imagenet: there is no folder {folder}; {_LAYOUT.format(root=root)}")
    classes = class_folders(train)
    if len(classes) != options.classes:
        raise UserError(
            f"data imagenet: {train} has {len(classes)} class folders, expected {options.classes}; "
            "set data.classes if this is meant to be a part of ImageNet"
        )
    flat = _flat(validation)
    if not flat:
        agreeing(train, validation, classes)
    if split == "train":
        return files_by_class(train, classes)
    if not flat:
        return files_by_class(validation, classes)
    return _from_labels(_labels_file(options, root, validation), validation, classes)


def _flat(folder: Path) -> bool:
    folders = any(entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir())
    return not folders and bool(_images(folder))


def _images(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir() if not f.name.startswith(".") and f.suffix.lower() in ENDINGS)


def _labels_file(options: ImageNet, root: Path, validation: Path) -> Path:
    if options.val_labels:
        return listed.locate(options.val_labels, root)
    folders = (root, validation, validation.parent, *(root / kit for kit in imagenet_labels.DEVKIT_FOLDERS))
    for name in (*_LIST, _SOLUTION, _DEVKIT):
        for folder in folders:
            if (folder / name).is_file():
                return folder / name
    raise UserError(
        f"data imagenet: {validation} has images but no class folders, and there is no file of their labels; "
        f"{_LAYOUT.format(root=root)}"
    )


def _from_labels(file: Path, folder: Path, classes: list[str]) -> Source:
    images = _images(folder)
    read: Callable[[Path, list[str], list[str]], imagenet_labels.Labels] = imagenet_labels.from_list
    if file.name == _DEVKIT:
        read = imagenet_labels.from_devkit
    elif file.suffix.lower() == ".csv":
        read = imagenet_labels.from_kaggle
    found = read(file, images, classes)
    known = set(images)
    problems = [(line, f"there is no image {folder / name}") for line, name, _ in found if name not in known]
    listed.complain(file, problems)
    named = {name for _, name, _ in found}
    if len(named) != len(found):
        raise UserError(f"{file}: names {len(found)} images, but only {len(named)} different ones")
    unnamed = sorted(known - named)
    if unnamed:
        raise UserError(
            f"{file}: has labels for {len(found)} images, but {folder} holds {len(images)}; without a label are "
            f"{', '.join(unnamed[:5])}{', ...' if len(unnamed) > 5 else ''}"
        )
    found.sort(key=lambda one: one[1])
    return Source.from_files(folder, [name for _, name, _ in found], [label for _, _, label in found], classes)
