"""Sizes and positions are torchvision's, to the pixel."""

import itertools

import numpy as np
import pytest

from imgcls.data import geometry


def resized_by_torchvision(height, width, size):
    """torchvision.transforms.functional._compute_resized_output_size, in plain integers."""
    short, long = (width, height) if width <= height else (height, width)
    new_short, new_long = size, int(size * long / short)
    new_w, new_h = (new_short, new_long) if width <= height else (new_long, new_short)
    return new_h, new_w


def offset_by_torchvision(side, crop):
    """torchvision.transforms.functional.center_crop."""
    return round((side - crop) / 2.0)


def many_sizes():
    generator = np.random.default_rng(0)
    drawn = generator.integers(1, 6000, (600, 2)).tolist()
    near = [list(pair) for pair in itertools.product(range(250, 262), repeat=2)]
    known = [[281, 500], [427, 640], [480, 641], [255, 509], [1, 1], [1, 500], [3000, 2], [2880, 5120]]
    return np.array(drawn + near + known, np.int32)


@pytest.mark.parametrize("target", [1, 28, 32, 224, 232, 256, 321, 512])
def test_the_shorter_side_is_resized_as_in_torchvision(target):
    sizes = many_sizes()
    found = geometry.shorter_side(sizes, target)
    assert found.dtype == np.int64
    assert found.tolist() == [list(resized_by_torchvision(h, w, target)) for h, w in sizes.tolist()]


@pytest.mark.parametrize(("target", "crop"), [(28, 28), (32, 28), (256, 224), (232, 224), (255, 224), (321, 320)])
def test_the_centre_crop_starts_where_torchvisions_does(target, crop):
    resized = geometry.shorter_side(many_sizes(), target)
    found = geometry.centre(resized, crop)
    assert found.dtype == np.int64
    assert found.min() >= 0
    assert (found + crop <= resized).all()
    assert found.tolist() == [[offset_by_torchvision(side, crop) for side in pair] for pair in resized.tolist()]


def test_half_a_pixel_goes_to_the_even_side():
    sizes = np.array([[225, 227], [229, 231]], np.int64)  # rooms of 1, 3, 5, 7: offsets 0.5, 1.5, 2.5, 3.5
    assert geometry.centre(sizes, 224).tolist() == [[0, 2], [2, 4]]
