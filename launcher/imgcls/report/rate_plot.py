"""A plot of the loss over the learning rate, on a logarithmic axis, drawn with Pillow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

_PAPER, _INK, _FAINT, _GRID = (255, 255, 255), (32, 33, 36), (110, 115, 122), (228, 231, 235)
_DOTS, _LINE = (168, 190, 217), (31, 98, 176)
_MARKS = ((201, 71, 38), (43, 128, 82), (128, 90, 160))
_SIZE = (960, 600)
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 932, 112, 528  # of the field with the curve
_FINER = 3  # times as many pixels while lines are drawn, which makes them smooth
_TITLE, _TEXT, _TICK = 22, 15, 14  # sizes of letters
Point = tuple[float, float]


@dataclass(frozen=True)
class Mark:
    """A rate to point out: a line from bottom to top, and its name in the legend."""

    rate: float
    name: str


class _Axes:
    """From rates and losses to pixels; what lies beyond the field comes to lie on its edge."""

    def __init__(self, rates: Sequence[float], bottom: float, top: float) -> None:
        self.bottom, self.top = bottom, top
        self.first, self.last = math.log10(rates[0]), math.log10(rates[-1])
        if self.last <= self.first:  # of one step alone
            self.first, self.last = self.first - 0.5, self.last + 0.5

    def x(self, rate: float) -> float:
        share = (math.log10(rate) - self.first) / (self.last - self.first)
        return _LEFT + min(max(share, 0.0), 1.0) * (_RIGHT - _LEFT)

    def y(self, loss: float) -> float:
        share = (loss - self.bottom) / (self.top - self.bottom)
        return _BOTTOM - min(max(share, 0.0), 1.0) * (_BOTTOM - _TOP)

    def holds(self, rate: float) -> bool:
        return self.first - 1e-9 <= math.log10(rate) <= self.last + 1e-9


def draw(
    title: str,
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    marks: Sequence[Mark],
) -> Image.Image:
    """Return the plot: losses as dots, their smoothed line, and lines at rates to point out.

    Args:
        title: first line.
        rates: above 0, rising; at least one.
        losses: one a rate, finite; those far above the first ones are drawn at the upper edge.
        smoothed: likewise.
        marks: three at most; those beyond the rates are named in the legend alone.
    """
    axes = _Axes(rates, *_bounds(losses, smoothed))
    losses_at, rates_at = _even_ticks(axes.bottom, axes.top), _decades(axes)
    picture = Image.new("RGB", (_SIZE[0] * _FINER, _SIZE[1] * _FINER), _PAPER)
    canvas = ImageDraw.Draw(picture)
    for loss in losses_at:
        _stroke(canvas, [(_LEFT, axes.y(loss)), (_RIGHT, axes.y(loss))], _GRID, 1)
    for rate, is_decade in rates_at:
        top = _TOP if is_decade else _BOTTOM - 5
        _stroke(canvas, [(axes.x(rate), top), (axes.x(rate), _BOTTOM)], _GRID if is_decade else _FAINT, 1)
    _stroke(canvas, [(_LEFT, _TOP), (_LEFT, _BOTTOM), (_RIGHT, _BOTTOM)], _FAINT, 1.4)
    for rate, loss in zip(rates, losses, strict=True):
        _dot(canvas, (axes.x(rate), axes.y(loss)), 2.6)
    for mark, colour in zip(marks, _MARKS, strict=False):
        if axes.holds(mark.rate):
            _stroke(canvas, [(axes.x(mark.rate), _TOP), (axes.x(mark.rate), _BOTTOM)], colour, 1.8)
    line = [(axes.x(rate), axes.y(loss)) for rate, loss in zip(rates, smoothed, strict=True)]
    _stroke(canvas, line, _LINE, 2.6)
    picture = picture.resize(_SIZE, Image.Resampling.LANCZOS)
    _write(ImageDraw.Draw(picture), title, axes, losses_at, [rate for rate, decade in rates_at if decade], marks)
    return picture


def _bounds(losses: Sequence[float], smoothed: Sequence[float]) -> Point:
    """Return the least and the highest loss on the axis: where it was before it grew, and a half more."""
    low, start = min(smoothed), max(smoothed[: smoothed.index(min(smoothed)) + 1])
    high = min(max(losses), low + 1.6 * (start - low)) if start > low else max(losses)
    low = max(min(losses), low - 0.3 * (start - low)) if start > low else min(losses)
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def _even_ticks(low: float, high: float) -> list[float]:
    """Return about six round numbers, evenly between two."""
    rough = (high - low) / 6
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * times for times in (1, 2, 2.5, 5, 10) if unit * times >= rough * 0.999)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _decades(axes: _Axes) -> list[tuple[float, bool]]:
    """Return 1 to 9 times each power of ten on the axis, and whether it is the power itself."""
    powers = range(math.floor(axes.first), math.ceil(axes.last) + 1)
    ticks = [(times * 10.0**power, times == 1) for power in powers for times in range(1, 10)]
    return [(rate, is_decade) for rate, is_decade in ticks if axes.holds(rate)]


def _stroke(
    canvas: ImageDraw.ImageDraw, points: Sequence[Point], colour: tuple[int, int, int], width: float
) -> None:
    canvas.line([(x * _FINER, y * _FINER) for x, y in points], colour, round(width * _FINER), "curve")


def _dot(canvas: ImageDraw.ImageDraw, at: Point, radius: float) -> None:
    x, y = at
    box = [side * _FINER for side in (x - radius, y - radius, x + radius, y + radius)]
    canvas.ellipse(box, fill=_DOTS)


def _write(
    canvas: ImageDraw.ImageDraw,
    title: str,
    axes: _Axes,
    losses: Sequence[float],
    rates: Sequence[float],
    marks: Sequence[Mark],
) -> None:
    _text(canvas, (_LEFT, 24), title, _TITLE, _INK, "la")
    left = float(_LEFT)
    for mark, colour in zip(marks, _MARKS, strict=False):
        canvas.rectangle((left, 70, left + 18, 73), fill=colour)
        left += 26
        name = f"{mark.name} {mark.rate:.3g}"
        _text(canvas, (left, 71), name, _TEXT, _INK, "lm")
        left += canvas.textlength(name, font=ImageFont.load_default(_TEXT)) + 28
    for loss in losses:
        _text(canvas, (_LEFT - 10, axes.y(loss)), f"{loss:.4g}", _TICK, _FAINT, "rm")
    for rate in rates:
        label = f"{rate:g}".replace("e-0", "e-")
        _text(canvas, (axes.x(rate), _BOTTOM + 8), label, _TICK, _FAINT, "ma")
    _text(canvas, (_LEFT - 10, _TOP - 22), "loss", _TEXT, _INK, "ra")
    _text(canvas, ((_LEFT + _RIGHT) / 2, _BOTTOM + 36), "learning rate (optimizer.lr)", _TEXT, _INK, "ma")


def _text(
    canvas: ImageDraw.ImageDraw, at: Point, text: str, size: int, colour: tuple[int, int, int], anchor: str
) -> None:
    canvas.text(at, text, fill=colour, font=ImageFont.load_default(size), anchor=anchor)
