"""A picture of many pictures: rows of originals beside what became of them, with their names."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

_PAPER, _INK, _FAINT, _CELL = (255, 255, 255), (32, 33, 36), (110, 115, 122), (236, 238, 241)
_MARGIN, _GAP, _BETWEEN = 32, 10, 28  # around all; between pictures; between the original and the draws
_SMALLEST, _LARGEST = 144, 288  # sides of a picture on the sheet
_LINE = 20
_TITLE, _NOTE, _LABEL = 24, 15, 14  # sizes of letters


@dataclass(frozen=True)
class Row:
    """An original and what became of it.

    Attributes:
        label: under the original.
        note: a fainter line under it.
        original: of any size; drawn letterboxed.
        pictures: uint8 (size, size, 1 or 3), drawn at the size of the first row's first.
        captions: one under each picture; from its first `` + `` on, in a line of its own.
    """

    label: str
    note: str
    original: Image.Image
    pictures: Sequence[NDArray[np.uint8]]
    captions: Sequence[str]


def draw(title: str, notes: Sequence[str], headings: Sequence[str], rows: Sequence[Row]) -> Image.Image:
    """Return the sheet.

    Args:
        title: first line.
        notes: fainter lines under it.
        headings: over the columns, the original's first.
        rows: one or more.
    """
    side = _side_on_sheet(rows[0].pictures[0].shape[0])
    lefts = _lefts(len(headings), side)
    width = max(lefts[-1] + side + _MARGIN, 640)
    top = _MARGIN + 38 + 22 * len(notes) + 16
    step = side + 2 * _LINE + 22
    sheet = Image.new("RGB", (width, top + 26 + step * len(rows) + _MARGIN - 22), _PAPER)
    canvas = ImageDraw.Draw(sheet)
    _text(canvas, (_MARGIN, _MARGIN), title, _TITLE, _INK, width - 2 * _MARGIN)
    for number, note in enumerate(notes):
        _text(canvas, (_MARGIN, _MARGIN + 38 + 22 * number), note, _NOTE, _FAINT, width - 2 * _MARGIN)
    for left, heading in zip(lefts, headings, strict=True):
        _text(canvas, (left, top), heading, _NOTE, _INK, side)
    for number, row in enumerate(rows):
        _row(sheet, canvas, row, lefts, top + 26 + step * number, side)
    return sheet


def _side_on_sheet(size: int) -> int:
    if size < _SMALLEST:  # by a whole number, so that pixels stay square and sharp
        return size * -(-_SMALLEST // size)
    return min(size, _LARGEST)


def _lefts(columns: int, side: int) -> list[int]:
    first = _MARGIN + side + _BETWEEN
    return [_MARGIN, *(first + (side + _GAP) * number for number in range(columns - 1))]


def _row(
    sheet: Image.Image, canvas: ImageDraw.ImageDraw, row: Row, lefts: Sequence[int], top: int, side: int
) -> None:
    sheet.paste(_letterboxed(row.original, side), (lefts[0], top))
    _text(canvas, (lefts[0], top + side + 4), row.label, _LABEL, _INK, side)
    _text(canvas, (lefts[0], top + side + 4 + _LINE), row.note, _LABEL - 1, _FAINT, side, keep_end=True)
    for left, pixels, caption in zip(lefts[1:], row.pictures, row.captions, strict=True):
        sheet.paste(_scaled(Image.fromarray(pixels.squeeze()), side), (left, top))
        first, plus, rest = caption.partition(" + ")
        _text(canvas, (left, top + side + 4), first, _LABEL, _INK, side)
        _text(canvas, (left, top + side + 4 + _LINE), f"{plus.lstrip()}{rest}", _LABEL, _INK, side)


def _letterboxed(image: Image.Image, side: int) -> Image.Image:
    cell = Image.new("RGB", (side, side), _CELL)
    small = max(image.size) * 2 <= side
    how = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    fitted = ImageOps.contain(image.convert("RGB"), (side, side), how)
    cell.paste(fitted, ((side - fitted.width) // 2, (side - fitted.height) // 2))
    return cell


def _scaled(image: Image.Image, side: int) -> Image.Image:
    if image.width == side:
        return image.convert("RGB")
    how = Image.Resampling.NEAREST if side > image.width else Image.Resampling.LANCZOS
    return image.convert("RGB").resize((side, side), how)


def _text(
    canvas: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    colour: tuple[int, int, int],
    width: int,
    keep_end: bool = False,
) -> None:
    """Write a line; what is too long for the width is cut off with dots, at its start for ``keep_end``."""
    font = ImageFont.load_default(size)
    shown, kept = text, len(text)
    while kept and canvas.textlength(shown, font=font) > width:
        kept -= 1
        shown = f"…{text[len(text) - kept :].lstrip()}" if keep_end else f"{text[:kept].rstrip()}…"
    canvas.text(at, shown, fill=colour, font=font)
