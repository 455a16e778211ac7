"""3-Augment: one of three for each image, evenly, each as Pillow or NumPy has it."""

import math

import numpy as np
import pytest

from imgcls import UserError
from imgcls_augment import three_augment
from imgcls_augment.options import ThreeAugment

N = 30_000
NAMES = ("grayscale", "solarize", "blur")


def built(**options):
    return three_augment.build(ThreeAugment(**options))


def test_each_of_the_three_comes_alike(draws_of):
    chosen, value = built().draw(draws_of("3", N), 64)
    counts = np.bincount(chosen)
    assert len(counts) == 3
    assert np.abs(counts - N / 3).max() < 4.5 * math.sqrt(N * 2 / 9)
    assert set(value[chosen == 1]) == {128}
    sigma = np.sort((value[chosen == 2] - 0.1) / 1.9)
    assert np.abs(sigma - np.arange(len(sigma)) / len(sigma)).max() < 1.95 / math.sqrt(len(sigma))


def test_the_one_chosen_is_pillows_or_numpys(photos_index, trained, draws_of, by_pillow, assert_near):
    index = photos_index(3)
    augmentation = built(threshold=90)
    seen = set()
    for (epoch, sample), image in trained(index, [("3", augmentation)], epochs=3).items():
        (chosen,), (value,) = augmentation.draw(draws_of("3", [sample], epoch), 64)
        seen.add(NAMES[chosen])
        assert_near(image, by_pillow(NAMES[chosen], value, None, index.pixels[sample]), NAMES[chosen])
    assert seen == set(NAMES)


def test_grey_images_are_refused(photos_index, trained):
    with pytest.raises(UserError, match="use solarize and gaussian_blur instead"):
        trained(photos_index(1), [("3", built())])


def test_a_blur_whose_range_falls_is_refused():
    with pytest.raises(UserError, match="must rise"):
        built(sigma=(2.0, 1.0))


def test_an_image_is_the_same_in_any_batch_on_any_thread(assert_steady):
    assert_steady([("3", built())])
