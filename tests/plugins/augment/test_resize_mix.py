"""The whole partner is in the box, as Pillow makes it smaller, and the share is the true share of pixels."""

import numpy as np
import pytest
import torch
from PIL import Image

from imgcls import Draws, UserError
from imgcls_augment import resize_mix
from imgcls_augment.options import ResizeMix


def at(step):
    return Draws(4, 0, np.array([step]), "resize_mix/0")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [32, 57])
def test_the_box_holds_the_partner_as_pillow_resizes_it(channels, size):
    """Pillow resizes float32 pictures, too; within 1e-5 of a standard deviation of these pixels."""
    mix = resize_mix.build(ResizeMix())
    images, partners = torch.randn(2, 4, channels, size, size, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    for step in range(30):
        mixed, share = mix.mix(images, partners, at(step))
        top, left, bottom, right = mix.box(at(step), size, size)
        assert 0 <= top < bottom <= size
        assert 0 <= left < right <= size
        assert share == 1 - (bottom - top) * (right - left) / size**2
        expected = images.numpy().copy()
        for image, partner in zip(expected, partners.numpy(), strict=True):
            for channel, plane in zip(image, partner, strict=True):
                shape = (right - left, bottom - top)
                small = Image.fromarray(plane).resize(shape, Image.BILINEAR)
                channel[top:bottom, left:right] = np.asarray(small)
        box = np.zeros((size, size), bool)
        box[top:bottom, left:right] = True
        assert np.array_equal(mixed.numpy()[:, :, ~box], expected[:, :, ~box])
        assert np.abs(mixed.numpy() - expected).max() < 1e-5
    assert torch.equal(images, before)


def test_the_share_is_the_true_share_of_pixels():
    mix = resize_mix.build(ResizeMix())
    images, partners = torch.zeros(2, 1, 40, 40), torch.ones(2, 1, 40, 40)
    for step in range(100):
        mixed, share = mix.mix(images, partners, at(step))
        assert share == pytest.approx(1 - (mixed > 0).float().mean().item(), abs=1e-6)


def test_sides_are_even_between_their_limits_and_places_even_inside_the_image():
    n, size = 6000, 1000
    boxes = np.array([resize_mix.build(ResizeMix()).box(at(step), size, size) for step in range(n)])
    sides = boxes[:, 2] - boxes[:, 0]
    assert np.array_equal(sides, boxes[:, 3] - boxes[:, 1])
    assert 100 <= sides.min() < 103
    assert 797 < sides.max() <= 800
    for part in ((sides - 100) / 700, boxes[:, 0] / (size - sides), boxes[:, 1] / (size - sides)):
        assert np.abs(np.histogram(part, 20, (0, 1))[0] - n / 20).max() < 5 * np.sqrt(n / 20)
    shares = 1 - sides**2 / size**2
    assert abs(shares.mean() - (1 - (0.8**3 - 0.1**3) / 3 / 0.7)) < 4.5 * shares.std() / np.sqrt(n)


def test_a_box_comes_to_lie_at_the_last_pixel_as_often_as_anywhere():
    n = 6000
    boxes = np.array([resize_mix.build(ResizeMix(side=(0.5, 0.5))).box(at(step), 10, 10) for step in range(n)])
    for column in boxes[:, :2].T:
        counts = np.bincount(column, minlength=6)
        assert len(counts) == 6
        assert np.abs(counts - n / 6).max() < 5 * np.sqrt(n / 6)
    assert abs(np.corrcoef(boxes[:, :2].T)[0, 1]) < 4.5 / np.sqrt(n)


def test_alpha_draws_the_sides_towards_the_middle():
    sides = np.array(
        [np.diff(resize_mix.build(ResizeMix(alpha=8.0)).box(at(s), 500, 500)[::2])[0] for s in range(2000)]
    )
    spread = 350 / np.sqrt(4 * 17)  # of Beta(8, 8) over 0.1..0.8 of 500 pixels
    assert abs(sides.mean() - 225) < 4.5 * spread / np.sqrt(2000)
    assert abs(sides.std() / spread - 1) < 0.08


def test_the_smallest_box_has_a_pixel():
    assert resize_mix.build(ResizeMix(side=(0.001, 0.001))).box(at(0), 8, 8)[2:] != (0, 0)
    _mixed, share = resize_mix.build(ResizeMix(side=(0.001, 0.001))).mix(*torch.randn(2, 1, 3, 8, 8), at(0))
    assert share == 1 - 1 / 64


def test_a_range_that_falls_is_refused():
    with pytest.raises(UserError, match=r"resize_mix: side = \[0.8, 0.1\] must rise"):
        resize_mix.build(ResizeMix(side=(0.8, 0.1)))
