"""Images named in a CSV or TSV file: a path and a class a row."""

import csv
import io
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from imgcls import Source, UserError
from imgcls_datasets import classes, listed
from imgcls_datasets.options import CsvFile
from imgcls_datasets.remote import local

SPLITS = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}


@dataclass
class _Rows:
    """The rows of one split.

    Attributes:
        file: they are in.
        root: that their paths are relative to.
        weights: empty where there is no such column.
    """

    file: Path
    root: Path
    lines: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


def build(options: CsvFile, split: str) -> Source | None:
    """The images of a split, in the order of their rows.

    Raises:
        UserError: a file, a column or an image is missing, a row is damaged; each with its line.
    """
    root = local(options.root) if options.root else None
    file = listed.locate(options.file, root or Path())
    train, validation = _read(file, root, options)
    if options.val:
        if validation is not None:
            raise UserError(
                f"{file}:{validation.lines[0]}: the column '{options.split_column}' names rows of validation, and "
                "the recipe has data.val, too; leave one of them out"
            )
        other = listed.locate(options.val, root or Path())
        unmarked, marked = _read(other, root, options)
        validation = marked or unmarked  # such a file may say in each of its rows that it is validation
    if options.classes:
        names = classes.names(listed.locate(options.classes, root or file.parent))
    else:
        names = tuple(sorted(set(train.names)))
    if split == "train":
        return _source(train, names, options)
    return None if validation is None else _source(replace(validation, weights=[]), names, options)


def _source(rows: _Rows, names: tuple[str, ...], options: CsvFile) -> Source:
    numbers = {name: number for number, name in enumerate(names)}
    of = f"in {options.classes}" if options.classes else "of training"
    problems = [
        (line, f"the class '{name}' is not one of the {len(names)} classes {of}")
        for line, name in zip(rows.lines, rows.names, strict=True)
        if name not in numbers
    ]
    problems += listed.missing(rows.root, rows.paths, rows.lines)
    listed.complain(rows.file, problems)
    root, paths = listed.below(rows.root, rows.paths)
    weights = np.array(rows.weights, np.float64) if rows.weights else None
    if weights is not None and not weights.any():
        raise UserError(f"{rows.file}: all weights are 0")
    return Source.from_files(root, paths, [numbers[name] for name in rows.names], names, weights)


def _read(file: Path, root: Path | None, options: CsvFile) -> tuple[_Rows, _Rows | None]:
    """Return the rows of training, and those of validation, or else of test, if there are any."""
    delimiter = options.delimiter or ("\t" if file.suffix.lower() == ".tsv" else ",")
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise UserError(f"data csv_file: delimiter must be one character other than a quote, got {delimiter!r}")
    reader = csv.reader(io.StringIO(listed.read(file), newline=""), delimiter=delimiter, strict=True)
    problems: list[listed.Problem] = []
    train, validation, test = splits = [_Rows(file, root or file.parent) for _ in range(3)]
    try:
        header = next(reader, [])
        columns = _columns(file, header, options, delimiter)
        end = reader.line_num
        for row in reader:
            line, end = end + 1, reader.line_num  # a quoted field may hold line breaks
            if row:  # an empty line is none
                _take(row, line, len(header), columns, splits, problems)
    except csv.Error as error:
        raise UserError(f"{file}:{reader.line_num}: {error}; quote a field that holds quotes") from None
    listed.complain(file, problems)
    return train, next((rows for rows in (validation, test) if rows.lines), None)


def _columns(file: Path, header: list[str], options: CsvFile, delimiter: str) -> dict[str, int]:
    wanted = {
        "path": options.path_column,
        "label": options.label_column,
        "weight": options.weight_column,
        "split": options.split_column,
    }
    titles = [title.strip() for title in header]
    twice = [name for name in wanted.values() if titles.count(name) > 1]
    if twice:
        raise UserError(f"{file}:1: the column '{twice[0]}' is there twice")
    lacking = [
        name for kind, name in wanted.items() if name not in titles and (kind in ("path", "label") or name != kind)
    ]
    if lacking:
        raise UserError(
            f"{file}:1: there is no column {' and no column '.join(repr(name) for name in lacking)}; there are "
            f"{', '.join(repr(title) for title in titles) or 'none'} (split at {delimiter!r}); the first "
            "line names the columns; set path_column, label_column and so on to the names in it"
        )
    return {kind: titles.index(name) for kind, name in wanted.items() if name in titles}


def _take(
    row: list[str],
    line: int,
    width: int,
    columns: dict[str, int],
    splits: list[_Rows],
    problems: list[listed.Problem],
) -> None:
    if len(row) != width:
        problems.append((line, f"{len(row)} fields, but the header has {width}; quote a field with delimiters"))
        return
    found = {kind: row[column] for kind, column in columns.items()}
    empty = [kind for kind in ("path", "label") if not found[kind].strip()]
    if empty:
        problems.append((line, f"the {empty[0]} is empty"))
        return
    split = found.get("split", "train").strip().lower()
    if split not in SPLITS:
        problems.append((line, f"the split '{split}' is not one of {', '.join(SPLITS)}"))
        return
    rows = splits[SPLITS[split]]
    if "weight" in found:
        weight = _number(found["weight"])
        if not (math.isfinite(weight) and weight >= 0):
            problems.append((line, f"the weight '{found['weight']}' is no number from 0 on"))
            return
        rows.weights.append(weight)
    rows.lines.append(line)
    rows.paths.append(found["path"])
    rows.names.append(found["label"].strip())


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
