"""Grayscale, Gaussian blur and solarisation: as often as asked, Pillow's or NumPy's result, else untouched."""

import math

import numpy as np
import pytest
from PIL import Image, ImageOps

from imgcls import UserError
from imgcls_augment import gaussian_blur, grayscale, solarize
from imgcls_augment.options import GaussianBlur, Grayscale, Solarize

N = 20_000
BUILD = {
    "grayscale": lambda **o: grayscale.build(Grayscale(**o)),
    "blur": lambda **o: gaussian_blur.build(GaussianBlur(**o)),
    "solarize": lambda **o: solarize.build(Solarize(**o)),
}


@pytest.mark.parametrize("name", BUILD)
@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
def test_images_are_changed_as_often_as_asked(name, probability, draws_of):
    changed = BUILD[name](probability=probability).draw(draws_of("s", N), 64)[0]
    assert set(np.unique(changed)) <= {0, 1}
    assert abs(changed.sum() - N * probability) <= 4.5 * math.sqrt(N * probability * (1 - probability))


def check(name, augmentation, expected, index, trained, draws_of, most):
    seen = set()
    for (epoch, sample), image in trained(index, [("s", augmentation)], epochs=3).items():
        drawn = augmentation.draw(draws_of("s", [sample], epoch), 64)
        changed = bool(drawn[0][0])
        seen.add(changed)
        wanted = index.pixels[sample]
        if changed:
            picture = Image.fromarray(wanted if wanted.shape[2] == 3 else wanted[..., 0])
            wanted = np.asarray(expected(picture, *(each[0] for each in drawn[1:]))).reshape(wanted.shape)
        assert np.abs(image.astype(int) - wanted).max() <= (most if changed else 0), (name, changed)
    assert seen == {True, False}


def test_grey_is_pillows(photos_index, trained, draws_of):
    augmentation = BUILD["grayscale"](probability=0.5)
    grey = lambda image: image.convert("L").convert("RGB")  # noqa: E731
    check("grayscale", augmentation, grey, photos_index(3), trained, draws_of, most=1)
    found = trained(photos_index(3), [("s", BUILD["grayscale"](probability=1.0))], epochs=1)
    assert all((image == image[..., :1]).all() for image in found.values())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("threshold", [0, 100, 128, 256])
def test_solarisation_is_pillows(channels, threshold, photos_index, trained, draws_of):
    augmentation = BUILD["solarize"](threshold=threshold)
    solarized = lambda image, _value: ImageOps.solarize(image, threshold)  # noqa: E731
    check("solarize", augmentation, solarized, photos_index(channels), trained, draws_of, most=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_blur_is_a_convolution_with_a_gaussian(channels, photos_index, trained, draws_of, by_pillow):
    def blurred(image, sigma):
        pixels = np.asarray(image)
        return by_pillow("blur", sigma, None, pixels.reshape(*pixels.shape[:2], -1))

    check("blur", BUILD["blur"](), blurred, photos_index(channels), trained, draws_of, most=1)


def test_a_blur_is_even_within_its_range(draws_of):
    _, sigma = BUILD["blur"](sigma=(0.5, 3.0)).draw(draws_of("s", N), 64)
    even = np.sort((sigma - 0.5) / 2.5)
    assert np.abs(even - np.arange(N) / N).max() < 1.95 / math.sqrt(N)  # Kolmogorov and Smirnov, p = 0.001


def test_a_blur_whose_range_falls_is_refused():
    with pytest.raises(UserError, match="must rise"):
        BUILD["blur"](sigma=(2.0, 1.0))


def test_grayscale_of_grey_images_is_refused(photos_index, trained):
    with pytest.raises(UserError, match="one channel and are grey already; remove it"):
        trained(photos_index(1), [("s", BUILD["grayscale"]())])


def test_an_image_is_the_same_in_any_batch_on_any_thread(assert_steady):
    assert_steady([(name, build(probability=0.5)) for name, build in BUILD.items()])
