"""ImageNet-1k: Russakovsky et al., 2014, arXiv:1409.0575, in class folders."""

from pathlib import Path

from imgcls import Source, UserError
from imgcls_datasets.image_folder import agreeing, class_folders, files_by_class
from imgcls_datasets.options import ImageNet

_LAYOUT = """expected:
    {root}/train/n01440764/n01440764_10026.JPEG   (1,281,167 images in 1,000 class folders)
    {root}/val/n01440764/ILSVRC2012_val_00000293.JPEG   (50,000 images in the same folders)
ImageNet-1k is given out by image-net.org after registration; set data.root to the folder of train and val"""


def build(options: ImageNet, split: str) -> Source:
    """The images below ``root/train`` or ``root/val``.

    Raises:
        UserError: a folder is missing, or the number of classes is another; the layout is shown.
    """
    root = Path(options.root).expanduser()
    train, validation = root / "train", root / "val"
    for folder in (train, validation):
        if not folder.is_dir():
            raise UserError(f"data imagenet: there is no folder {folder}; {_LAYOUT.format(root=root)}")
    classes = class_folders(train)
    if len(classes) != options.classes:
        raise UserError(
            f"data imagenet: {train} has {len(classes)} class folders, expected {options.classes}; "
            "set data.classes if this is meant to be a part of ImageNet"
        )
    folder = train if split == "train" else validation
    return files_by_class(folder, agreeing(train, validation, classes))
