"""The box of the partner is in its own place, and the labels' share is the true share of its pixels."""

import math

import numpy as np
import pytest
import torch

from imgcls import Draws
from imgcls_augment import cutmix
from imgcls_augment.options import CutMix


def at(step):
    return Draws(4, 0, np.array([step]), "cutmix/0")


def authors(width, height, alpha, generator):
    """Draw a box as the published code does: half of its side to each side of its centre, cut off at the border."""
    cut = math.sqrt(1 - generator.beta(alpha, alpha))
    w, h = int(width * cut), int(height * cut)
    x, y = generator.integers(width), generator.integers(height)
    left, right = np.clip([x - w // 2, x + w // 2], 0, width)
    top, bottom = np.clip([y - h // 2, y + h // 2], 0, height)
    return top, left, bottom, right


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (7, 7), (1, 1), (20, 33)])
def test_the_share_is_the_true_share_of_pixels_and_the_box_is_the_partners(channels, height, width):
    mix = cutmix.build(CutMix())
    shape = (4, channels, height, width)
    own, other = torch.arange(math.prod(shape)).float().reshape(shape), -1 - torch.arange(math.prod(shape)).float()
    for step in range(60):
        mixed, share = mix.mix(own, other.reshape(shape), at(step))
        theirs = mixed.numpy() < 0
        assert share == pytest.approx(1 - theirs.mean(), abs=1e-12)
        top, left, bottom, right = mix.box(at(step), height, width)
        expected = own.numpy().copy()
        expected[:, :, top:bottom, left:right] = other.reshape(shape).numpy()[:, :, top:bottom, left:right]
        assert np.array_equal(mixed.numpy(), expected)
        assert (own >= 0).all(), "the batch itself is left as it was"


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_boxes_are_distributed_as_the_authors(alpha):
    """Kolmogorov and Smirnov's distance; the authors' boxes are up to one pixel narrower: theirs have even sides."""
    n, size = 5000, 1000
    mix = cutmix.build(CutMix(alpha=alpha))
    mine = np.array([mix.box(at(step), size, size) for step in range(n)])
    generator = np.random.default_rng(1)
    theirs = np.array([authors(size, size, alpha, generator) for _ in range(n)])
    figures = {
        "top": lambda b: b[:, 0],
        "right": lambda b: b[:, 3],
        "height": lambda b: (b[:, 2] - b[:, 0]) // 2,
        "share": lambda b: (b[:, 2] - b[:, 0]) // 2 * ((b[:, 3] - b[:, 1]) // 2),
    }
    for name, figure in figures.items():
        one, other = np.sort(figure(mine)), np.sort(figure(theirs))
        both = np.concatenate([one, other])
        distance = np.abs(np.searchsorted(one, both, "right") - np.searchsorted(other, both, "right")).max() / n
        assert distance < 1.95 * math.sqrt(2 / n), name  # p = 0.001


def test_boxes_reach_the_border_and_are_cut_off_there():
    boxes = np.array([cutmix.build(CutMix()).box(at(step), 64, 64) for step in range(3000)])
    assert boxes[:, :2].min() == 0
    assert boxes[:, 2:].max() == 64
    sides = boxes[:, 2:] - boxes[:, :2]
    assert sides.min() >= 0
    assert (sides[:, 0] != sides[:, 1]).mean() > 0.3, "a square in the middle, something else at the border"
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert abs(np.corrcoef(middles.T)[0, 1]) < 4.5 / np.sqrt(3000)
