"""Colour jitter: even factors, every order, Pillow's result, and no colour in grey images."""

import itertools
import math

import numpy as np
import pytest

from imgcls import UserError
from imgcls_augment import color_jitter
from imgcls_augment.options import ColorJitter

N = 24_000
EYE = np.eye(2, 3)


def built(**options):
    return color_jitter.build(ColorJitter(**options))


def test_every_order_comes_alike(draws_of):
    drawn = built(hue=0.1).draw(draws_of("c", N), 64)
    kinds = np.stack(drawn[::2], axis=1)
    orders, counts = np.unique(kinds, axis=0, return_counts=True)
    assert sorted(map(tuple, orders.tolist())) == sorted(itertools.permutations((1, 2, 3, 4)))
    assert ((counts - N / 24) ** 2 / (N / 24)).sum() < 49.7  # chi-square of 23 degrees, p = 0.001


def test_values_are_even_within_their_ranges_and_go_with_their_operations(draws_of):
    jitter = built(brightness=0.3, contrast=0.8, saturation=1.0, hue=0.25)
    drawn = jitter.draw(draws_of("c", N), 64)
    kinds, values = (np.stack(drawn[i::2], axis=1) for i in (0, 1))
    ranges = {"brightness": (0.7, 1.3), "contrast": (0.2, 1.8), "color": (0, 2), "hue": (-90, 90)}
    found = {name: values[kinds == i + 1] for i, name in enumerate(jitter.names)}
    assert found.keys() == ranges.keys()
    for name, (low, high) in ranges.items():
        even = (found[name] - low) / (high - low)
        assert (even.min(), even.max()) == pytest.approx((0, 1), abs=0.001), name
        at = np.sort(even)
        distance = np.abs(at - np.arange(N) / N).max()
        assert distance < 1.95 / math.sqrt(N), name  # Kolmogorov and Smirnov, p = 0.001
    assert abs(np.corrcoef(found["brightness"], found["contrast"])[0, 1]) < 0.03


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_images_are_changed_as_often_as_asked_and_then_by_all(probability, draws_of):
    drawn = built(probability=probability).draw(draws_of("c", N), 64)
    changed = np.stack(drawn[::2], axis=1) > 0
    assert (changed.any(axis=1) == changed.all(axis=1)).all()
    assert changed[:, 0].mean() == pytest.approx(probability, abs=4 * math.sqrt(0.25 / N))


def test_what_is_0_is_left_out(draws_of):
    jitter = built(brightness=0.0, saturation=0.0)
    assert jitter.names == ("contrast",)
    assert len(jitter.draw(draws_of("c", 5), 64)) == 2


def check_pillows(jitter, index, trained, draws_of, in_order):
    for (epoch, sample), image in trained(index, [("c", jitter)], epochs=4).items():
        drawn = jitter.draw(draws_of("c", [sample], epoch), 64)
        steps = [(("keep", *jitter.names)[k[0]], v[0], EYE) for k, v in zip(drawn[::2], drawn[1::2], strict=True)]
        expected = in_order(steps, index.pixels[sample])
        difference = np.abs(image.astype(int) - expected)
        assert difference.max() <= 3
        assert difference.mean() < 1


@pytest.mark.parametrize("options", [
    {}, {"brightness": 0.0, "contrast": 1.0}, {"hue": 0.1}, {"probability": 0.5},
])  # fmt: skip
def test_the_steps_are_pillows(options, photos_index, trained, draws_of, in_order):
    check_pillows(built(**options), photos_index(3), trained, draws_of, in_order)


def test_grey_images_get_brightness_and_contrast(photos_index, trained, draws_of, in_order):
    check_pillows(built(saturation=0.0), photos_index(1), trained, draws_of, in_order)


@pytest.mark.parametrize("options", [{}, {"saturation": 0.0, "hue": 0.1}])
def test_saturation_and_hue_of_grey_images_are_refused(options, photos_index, trained):
    with pytest.raises(UserError, match=r"color_jitter: .*set saturation = 0\.0 and hue = 0\.0"):
        trained(photos_index(1), [("c", built(**options))])


def test_a_jitter_of_nothing_is_refused():
    with pytest.raises(UserError, match="all 0"):
        built(brightness=0.0, contrast=0.0, saturation=0.0)


def test_an_image_is_the_same_in_any_batch_on_any_thread(assert_steady):
    assert_steady([("c", built(hue=0.1, probability=0.8))])
