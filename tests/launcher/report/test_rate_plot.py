"""The plot of the range test: things are where their numbers say."""

import numpy as np
import pytest

from imgcls.report import rate_plot
from imgcls.report.rate_plot import Mark, draw

RATES = np.geomspace(1e-6, 1, 61).tolist()
LOSSES = (2 - np.linspace(0, 1, 61) ** 4).tolist()


def columns(picture, colour, rows=(120, 520)):
    """Return the columns in which a colour fills almost all rows of the field."""
    found = (np.abs(np.asarray(picture)[rows[0] : rows[1]].astype(int) - colour).max(-1) < 60).mean(0)
    return np.flatnonzero(found > 0.9)


@pytest.mark.parametrize("rate", [1e-5, 3e-3, 0.5])
def test_a_mark_stands_at_its_rate_on_the_logarithmic_axis(rate):
    picture = draw("title", RATES, LOSSES, LOSSES, [Mark(rate, "here")])
    share = (np.log10(rate) + 6) / 6
    wanted = rate_plot._LEFT + share * (rate_plot._RIGHT - rate_plot._LEFT)
    (found,) = {round(columns(picture, rate_plot._MARKS[0]).mean())}
    assert abs(found - wanted) <= 1.5


def test_a_mark_beyond_the_rates_is_in_the_legend_alone():
    picture = draw("title", RATES, LOSSES, LOSSES, [Mark(30.0, "far")])
    assert len(columns(picture, rate_plot._MARKS[0])) == 0
    legend = np.asarray(picture)[66:78].reshape(-1, 3)
    assert (legend == rate_plot._MARKS[0]).all(-1).sum() > 40


def test_the_line_falls_and_an_explosion_leaves_it_readable():
    losses = [*LOSSES[:-1], 1e9]
    picture = np.asarray(draw("title", RATES, losses, LOSSES, [])).astype(int)
    blue = np.abs(picture - rate_plot._LINE).max(-1) < 40
    heights = [np.flatnonzero(blue[:, x]).mean() for x in (100, 700, 920)]
    assert heights[0] < heights[1] < heights[2]
    assert heights[2] - heights[0] > 150  # pixels, of 416


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.9, 3.1, [1, 1.5, 2, 2.5, 3]),
        (0, 0.06, [0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06]),
        (2, 62, [10, 20, 30, 40, 50, 60]),
    ],
)
def test_ticks_are_round_numbers_within_the_axis(low, high, ticks):
    assert rate_plot._even_ticks(low, high) == pytest.approx(ticks)


def test_ticks_of_rates_are_one_to_nine_times_each_power_of_ten():
    ticks = rate_plot._decades(rate_plot._Axes([1e-2, 0.35], 0, 1))
    assert [rate for rate, _ in ticks] == pytest.approx([*(n * 0.01 for n in range(1, 10)), 0.1, 0.2, 0.3])
    assert [rate for rate, power in ticks if power] == pytest.approx([0.01, 0.1])


@pytest.mark.parametrize(("rates", "losses"), [([0.1], [1.0]), ([0.1, 0.2], [1.0, 1.0]), ([0.1, 0.2], [1.0, 5.0])])
def test_few_steps_and_flat_losses_can_be_drawn(rates, losses):
    assert draw("title", rates, losses, losses, []).size == (960, 600)
