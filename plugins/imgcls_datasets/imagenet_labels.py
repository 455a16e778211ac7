"""Labels of ImageNet's validation images where these lie in one folder."""

import csv
import re
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from imgcls import UserError
from imgcls_datasets import list_file, listed

DEVKIT_FOLDERS = (
    "ILSVRC2012_devkit_t12/data",
    "ILSVRC2012_devkit_t12",
    "devkit/data",
    "devkit",
)
_NUMBER = re.compile(r".*_([0-9]{8})\.\w+")
Labels = list[tuple[int, str, int]]  # line, name of the image's file, label


def from_list(file: Path, images: list[str], classes: list[str]) -> Labels:  # noqa: ARG001 (one signature for all)
    """Read ``name label`` lines, labels numbered in sorted order of the classes; names may begin with ``val/``.

    Raises:
        UserError: lines of another form, or labels outside the classes; each with its line.
    """
    lines = list_file.read(file)
    listed.complain(
        file,
        [
            (line, f"the label {label} is not in 0..{len(classes) - 1}")
            for line, _, label in lines
            if label >= len(classes)
        ],
    )
    return [(line, PurePosixPath(path).name, label) for line, path, label in lines]


def from_kaggle(file: Path, images: list[str], classes: list[str]) -> Labels:
    """Read ``ImageId,PredictionString`` lines, the latter beginning with the class's synset.

    Raises:
        UserError: lines of another form, or unknown synsets; each with its line.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    files = {PurePosixPath(name).stem: name for name in images}
    found: Labels = []
    problems = []
    rows = csv.reader(listed.read(file).splitlines())
    header = next(rows, [])
    if header != ["ImageId", "PredictionString"]:
        raise UserError(f"{file}:1: expected the header 'ImageId,PredictionString', got '{','.join(header)}'")
    for row in rows:
        synset = (row[1].split() or [""])[0] if len(row) == 2 else ""
        if synset not in numbers:
            problems.append(
                (rows.line_num, f"'{synset}' is not one of the {len(classes)} class folders of training")
            )
        else:
            found.append((rows.line_num, files.get(row[0], f"{row[0]}.JPEG"), numbers[synset]))
    listed.complain(file, problems)
    return found


def from_devkit(file: Path, images: list[str], classes: list[str]) -> Labels:
    """Read one number a line: the ILSVRC2012_ID of the image that the line's number is in the name of.

    These numbers are not in the order of the synsets: the development kit's meta.mat tells which is which.

    Raises:
        UserError: lines of another form, images without a number, no meta.mat, or one with other synsets.
    """
    synsets = _synsets(file.parent / "meta.mat", file)
    lacking = sorted(set(classes) - set(synsets.values()))
    if lacking:
        raise UserError(f"{file.parent / 'meta.mat'}: has no synset {', '.join(lacking[:5])}, a class of training")
    labels = {number: classes.index(synset) for number, synset in synsets.items() if synset in set(classes)}
    lines = [line.strip() for line in listed.read(file).rstrip().split("\n")]
    problems = [
        (number, f"'{line}' is not the ILSVRC2012_ID of a class of training")
        for number, line in enumerate(lines, 1)
        if not (line.isascii() and line.isdecimal() and int(line) in labels)
    ]
    listed.complain(file, problems)
    found = []
    for name in images:
        match = _NUMBER.fullmatch(name)
        line = int(match[1]) if match else 0
        if not 1 <= line <= len(lines):
            raise UserError(
                f"{file}: has {len(lines)} lines; which one is for the image {name} cannot be told: expected a "
                f"name such as ILSVRC2012_val_{len(lines):08}.JPEG"
            )
        found.append((line, name, labels[int(lines[line - 1])]))
    if len(found) != len(lines):
        raise UserError(f"{file}: has labels for {len(lines)} images, but there are {len(found)}")
    return found


def _synsets(meta: Path, file: Path) -> dict[int, str]:
    """Return the synset of each ILSVRC2012_ID."""
    if not meta.is_file():
        raise UserError(
            f"{file}: its numbers are ILSVRC2012_IDs, which the development kit's meta.mat explains (they are not "
            f"in the order of the synsets): put it there as {meta}, or use a val.txt of 'name label' lines"
        )
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        table: Any = loadmat(meta, squeeze_me=True, variable_names=["synsets"])["synsets"]
        return {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in table}
    except (OSError, ValueError, TypeError, LookupError, NotImplementedError, zlib.error, MatReadError) as error:
        raise UserError(f"{meta}: is not the development kit's meta.mat: {error}") from None
