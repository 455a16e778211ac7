"""Holes lie where they were drawn, over the whole image and beyond its edge, and hide what they should."""

import numpy as np
import pytest

from imgcls import Draws, UserError
from imgcls_augment import cutout
from imgcls_augment.horizontal_flip import Flip
from imgcls_augment.options import Cutout

IMAGENET = (124, 116, 104)


def drawn(augmentation, n, size, epoch=0, first=0):
    return augmentation.draw(Draws(4, epoch, np.arange(first, first + n), "cutout/0"), size)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("options", "side"), [
    (Cutout(), 16), (Cutout(length=7, fill=(9,)), 7), (Cutout(holes=3, length=32, fill=(0,)), 32),
])  # fmt: skip
def test_the_pixels_of_the_drawn_squares_are_filled_and_no_others(pixels_index, trained, channels, options, side):
    made = pixels_index(channels)
    holes = cutout.build(options)
    level = (117,) if channels == 1 else IMAGENET
    for (epoch, sample), image in trained(made, [("cutout/0", holes)]).items():
        expected = made.pixels[sample].copy()
        (corners,) = drawn(holes, 1, 32, epoch, sample)
        for top, left in corners[0].reshape(-1, 2).astype(int).tolist():
            rows, columns = slice(max(top, 0), max(top + side, 0)), slice(max(left, 0), max(left + side, 0))
            expected[rows, columns] = level if options.fill is None else options.fill
        assert np.array_equal(image, expected)


def test_a_colour_for_each_channel_is_taken_in_their_order(pixels_index, trained):
    found = trained(pixels_index(3), [("cutout/0", cutout.build(Cutout(length=32, fill=(1, 2, 3))))])
    assert all((image == [1, 2, 3]).all(axis=-1).any() for image in found.values())


@pytest.mark.parametrize(("size", "length"), [(224, None), (224, 112), (32, 16), (28, 9)])
def test_the_share_of_hidden_pixels_is_that_of_centres_spread_over_the_whole_image(size, length):
    (corners,) = drawn(cutout.build(Cutout(length=length)), 20_000, size)
    side = length or size // 2
    hidden = np.minimum(corners + side, size) - np.maximum(corners, 0)
    assert hidden.min() >= 1, "the centre itself is inside"
    line = [min(c - side // 2 + side, size) - max(c - side // 2, 0) for c in range(size)]
    expected = (np.mean(line) / size) ** 2
    found = np.prod(hidden, axis=1) / size**2
    assert abs(found.mean() - expected) < 4.5 * found.std() / np.sqrt(20_000)


def test_with_the_defaults_nineteen_of_a_hundred_pixels_are_hidden():
    """112 of 224: a line of the hole keeps 1/2 of the image's side, less 1/16 that lies outside."""
    (corners,) = drawn(cutout.build(Cutout()), 20_000, 224)
    hidden = np.minimum(corners + 112, 224) - np.maximum(corners, 0)
    assert abs(np.prod(hidden, axis=1).mean() / 224**2 - 0.4375**2) < 0.003


def test_centres_are_even_over_the_image_and_each_hole_has_its_own():
    (corners,) = drawn(cutout.build(Cutout(holes=2, length=10)), 40_000, 20)
    for column in corners.T:
        counts = np.bincount(column.astype(int) + 5, minlength=20)
        assert len(counts) == 20
        assert np.abs(counts - 2000).max() < 5 * np.sqrt(2000)
    assert np.abs(np.corrcoef(corners.T) - np.eye(4)).max() < 0.025


def test_a_hole_does_not_depend_on_batch_size_threads_or_start(assert_steady):
    holes = cutout.build(Cutout())
    assert_steady([("flip/0", Flip(0.5)), ("cutout/0", holes)])
    (whole,), (alone,) = drawn(holes, 50, 32), drawn(holes, 1, 32, first=33)
    assert np.array_equal(whole[33], alone[0])


def test_a_hole_larger_than_the_image_is_refused_with_what_to_set():
    with pytest.raises(UserError, match=r"cutout: a hole of 112 pixels .* 28 pixels; set length to 28 or less"):
        drawn(cutout.build(Cutout(length=112)), 3, 28)


@pytest.mark.parametrize(
    ("channels", "fill", "wanted"), [(1, (1, 2), "1"), (3, (1, 2), "1 or 3"), (3, (), "1 or 3")]
)
def test_a_colour_with_another_number_of_channels_is_refused(pixels_index, trained, channels, fill, wanted):
    steps = [("cutout/0", cutout.build(Cutout(fill=fill)))]
    with pytest.raises(UserError, match=f"cutout: fill has {len(fill)} grey levels.*give {wanted}$"):
        trained(pixels_index(channels), steps)
