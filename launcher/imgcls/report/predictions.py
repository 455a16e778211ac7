"""A model's answers as a table, CSV or JSON lines: one line an image."""

import csv
import io
import json
from collections.abc import Callable, Sequence

Top = Sequence[tuple[str, float]]  # class name and probability in 0..1, the highest first
Line = Callable[[str, Top, str | None], str]  # takes an image, its top and its error

_IMAGE, _CLASS = 60, 24  # widest columns of the table, in characters
_DIGITS = 6  # of a probability
FORMATS = ("table", "csv", "jsonl")


def writer(form: str, images: Sequence[str], classes: Sequence[str], top: int) -> tuple[str, Line]:
    """Return the head of a format, and what makes its lines, all with their line ends.

    Args:
        form: one of ``FORMATS``.
        images: all that will come, as they are named.
        classes: all that there are.
        top: classes of each answer.
    """
    if form == "jsonl":
        return "", _json
    if form == "csv":
        pairs = [name for rank in range(1, top + 1) for name in (f"class{rank}", f"probability{rank}")]
        return _row(["image", *pairs, "error"]), lambda image, best, error: _csv(image, best, error, top)
    wide = min(_IMAGE, max(len(printable(image)) for image in images))
    column = min(_CLASS, max(len(printable(name)) for name in classes))
    return "", lambda image, best, error: _table(image, best, error, wide, column)


def printable(text: str) -> str:
    r"""Return a text for a terminal: what cannot be printed, or would steer it, as ``\x1b``."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _json(image: str, best: Top, error: str | None) -> str:
    top = [{"class": name, "probability": round(value, _DIGITS)} for name, value in best]
    return json.dumps({"image": image, "top": top, "error": error}) + "\n"


def _csv(image: str, best: Top, error: str | None, top: int) -> str:
    # an image without an answer keeps its columns empty
    pairs = [text for name, value in best for text in (name, f"{value:.{_DIGITS}f}")] or [""] * (2 * top)
    return _row([image, *pairs, error or ""])


def _row(fields: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue()


def _table(image: str, best: Top, error: str | None, wide: int, column: int) -> str:
    name = f"{printable(image):<{wide}}"
    if error is not None:
        return f"{name}  error: {printable(error)}\n"
    cells = [f"{100 * value:6.2f} % {_cut(printable(label), column):<{column}}" for label, value in best]
    return f"{name}  {'  '.join(cells).rstrip()}\n"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."
