"""Rotations: even to both sides, and Pillow's ``Image.rotate``."""

import math

import numpy as np
import pytest
from PIL import Image

from imgcls_augment import random_rotation
from imgcls_augment.options import RandomRotation

N = 20_000


def built(**options):
    return random_rotation.build(RandomRotation(**options))


def angles(matrix):
    """Degrees, counter-clockwise."""
    return np.degrees(np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0]))


@pytest.mark.parametrize("degrees", [5.0, 15.0, 180.0])
def test_angles_are_even_to_both_sides(degrees, draws_of):
    (matrix,) = built(degrees=degrees).draw(draws_of("r", N), 64)
    assert matrix.shape == (N, 2, 3)
    assert matrix.dtype == np.float32
    even = np.sort((angles(matrix) + degrees) / (2 * degrees))
    assert even.min() >= -1e-4
    assert even.max() <= 1 + 1e-4
    assert np.abs(even - np.arange(N) / N).max() < 1.95 / math.sqrt(N)  # Kolmogorov and Smirnov, p = 0.001


@pytest.mark.parametrize(("channels", "size"), [(1, 64), (3, 64), (3, 224)])
@pytest.mark.parametrize("fill", [0, 200])
def test_a_rotation_is_pillows(channels, size, fill, photos_index, trained, draws_of):
    index = photos_index(channels, size=size)
    rotation = built(degrees=45.0, fill=fill)
    for (epoch, sample), image in trained(index, [("r", rotation)]).items():
        degrees = angles(rotation.draw(draws_of("r", [sample], epoch), size)[0])[0]
        pixels = index.pixels[sample]
        picture = Image.fromarray(pixels if channels == 3 else pixels[..., 0])
        expected = np.asarray(picture.rotate(degrees, fillcolor=(fill,) * channels if channels == 3 else fill))
        assert (image != expected.reshape(image.shape)).mean() < 0.005  # the angle is read from rounded numbers


def test_bilinear_is_smoother_than_nearest_and_fills_alike(photos_index, trained):
    index = photos_index(3)
    near, smooth = (trained(index, [("r", built(interpolation=i, fill=9))]) for i in ("nearest", "bilinear"))
    for key, image in near.items():
        difference = np.abs(image.astype(int) - smooth[key])
        assert 0 < difference.mean() < 15
        roughness = [
            np.abs(np.diff(each[20:44, 20:44].astype(int), axis=1)).mean() for each in (image, smooth[key])
        ]
        assert roughness[1] <= roughness[0]


def test_an_image_is_the_same_in_any_batch_on_any_thread(assert_steady):
    assert_steady([("r", built()), ("s", built(interpolation="bilinear", fill=100))])
