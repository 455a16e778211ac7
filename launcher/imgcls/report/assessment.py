"""What is said of a trained model, as lines to read."""

from collections.abc import Sequence
from typing import Any

_WORST = 10
_MATRIX = 20  # classes of which the whole confusion matrix is shown
_NAME = 30  # characters of a class name


def lines(found: dict[str, Any], all_classes: bool = False) -> list[str]:
    """Return the table of an evaluation.

    Args:
        found: what :meth:`imgcls.train.assess.Assessment.to_dict` returns, with ``model`` and ``data``.
        all_classes: list every class in the model's order, not the ten with the lowest top-1.
    """
    return [
        f"{found['model']} on {found['data']}",
        "",
        *_figures(found),
        "",
        *_classes(found["classes"], all_classes),
        "",
        *(_matrix(found) if len(found["classes"]) <= _MATRIX else _confusions(found)),
    ]


def _figures(found: dict[str, Any]) -> list[str]:
    rows = [
        ("images", f"{found['n']:,}"),
        ("top-1", _percent(found["top1"])),
        ("top-5", _percent(found["top5"])),
        ("loss", f"{found['loss']:.4f}  (cross-entropy)"),
        ("calibration error", f"{_percent(found['ece'])}  (ECE, 15 bins of equal width, arXiv:1706.04599)"),
        ("mean of classes", f"top-1 {_percent(found['mean_class_top1'])}, F1 {_percent(found['macro_f1'])}"),
    ]
    if found["no_number"]:
        rows.append(("answers no number", f"{found['no_number']:,}, counted as wrong"))
    if found["left_out"]:
        rows.append(("left out", f"{len(found['left_out']):,}, because they cannot be decoded"))
    return [f"{name:<20}{value}" for name, value in rows]


def _classes(classes: Sequence[dict[str, Any]], every: bool) -> list[str]:
    shown = list(classes)
    heading = "class"
    if not every:
        met = [row for row in classes if row["n"]]
        # the larger class first among equals: it weighs more
        shown = sorted(met, key=lambda row: (row["top1"], -row["n"]))[:_WORST]
        if len(shown) < len(classes):
            heading = f"class (the worst {len(shown)} of {len(classes):,})"
    width = max(len(heading), *(len(_short(row["name"])) for row in shown))
    rows = [f"{heading:<{width}}  {'n':>7}  {'top-1 %':>8}  {'precision':>9}  {'F1':>6}"]
    for row in shown:
        top1, precision, f1 = (_number(row[key]) for key in ("top1", "precision", "f1"))
        rows.append(f"{_short(row['name']):<{width}}  {row['n']:>7,}  {top1:>8}  {precision:>9}  {f1:>6}")
    return rows


def _matrix(found: dict[str, Any]) -> list[str]:
    names = [_short(row["name"]) for row in found["classes"]]
    matrix: list[list[int]] = found["confusion"]
    left = max(len(name) for name in names)
    # columns bear the first letters of their class
    width = max(3, *(len(str(count)) for row in matrix for count in row))
    head = " ".join(f"{name[:width]:>{width}}" for name in names)
    rows = [
        f"{name:<{left}}  " + " ".join(f"{n or '.':>{width}}" for n in row)
        for name, row in zip(names, matrix, strict=True)
    ]
    return ["rows: the true class; columns: what it was taken for", f"{'':<{left}}  {head}", *rows]


def _confusions(found: dict[str, Any]) -> list[str]:
    names = [row["name"] for row in found["classes"]]
    wrong = [
        (count, i, j)
        for i, row in enumerate(found["confusion"])
        for j, count in enumerate(row)
        if count and i != j
    ]
    wrong.sort(key=lambda each: (-each[0], *each[1:]))
    rows = [f"{count:>7,}  {_short(names[i])} taken for {_short(names[j])}" for count, i, j in wrong[:_WORST]]
    return ["most frequent confusions", *(rows or ["        none"])]


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 3]}..."


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
