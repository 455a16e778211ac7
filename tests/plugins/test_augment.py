"""Boxes, shifts and flips, drawn as torchvision draws them."""

import math

import numpy as np
import pytest

from imgcls import Draws, UserError
from imgcls_augment import horizontal_flip, random_crop, random_resized_crop
from imgcls_augment.options import HorizontalFlip, RandomCrop, RandomResizedCrop

SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)


def draws(n, seed=0, stream="crop", first=0):
    return Draws(seed, 0, np.arange(first, first + n), stream)


def boxes(height, width, n=20_000, scale=SCALE, ratio=RATIO):
    region = random_resized_crop.build(RandomResizedCrop(scale=scale, ratio=ratio))
    return region.boxes(draws(n), np.tile(np.array([[height, width]], np.int32), (n, 1)))


def torchvisions(height, width, scale, ratio, generator):
    """torchvision.transforms.RandomResizedCrop.get_params, one picture at a time."""
    area = height * width
    for _ in range(10):
        target = area * generator.uniform(*scale)
        shape = math.exp(generator.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(target * shape)), round(math.sqrt(target / shape))
        if 0 < w <= width and 0 < h <= height:
            return (int(generator.integers(0, height - h + 1)), int(generator.integers(0, width - w + 1)), h, w)
    own = width / height
    if own < min(ratio):
        w, h = width, round(width / min(ratio))
    elif own > max(ratio):
        w, h = round(height * max(ratio)), height
    else:
        w, h = width, height
    return (height - h) // 2, (width - w) // 2, h, w


EXTREME = [(1, 1), (1, 500), (500, 1), (3000, 2), (2, 3000), (2, 2), (3, 5), (224, 224), (375, 500), (2880, 5120)]


@pytest.mark.parametrize(("height", "width"), EXTREME)
@pytest.mark.parametrize(("scale", "ratio"), [
    (SCALE, RATIO), ((1.0, 1.0), (1.0, 1.0)), ((1e-6, 1e-6), (0.01, 100.0)),
                                              ((0.9, 1.0), (5.0, 6.0))])  # fmt: skip
def test_boxes_lie_inside_the_picture_and_are_never_empty(height, width, scale, ratio):
    start, shape = boxes(height, width, 2000, scale, ratio)
    assert start.dtype == shape.dtype == np.int32
    assert start.min() >= 0
    assert shape.min() >= 1
    assert np.all(start + shape <= [height, width])


@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 375), (64, 64), (100, 300), (300, 40), (28, 28)])
def test_boxes_are_distributed_as_torchvisions(height, width):
    """Kolmogorov and Smirnov's distance of areas, shapes and positions from those of an independent writing."""
    n = 6000
    start, shape = boxes(height, width, n)
    generator = np.random.default_rng(1)
    theirs = np.array([torchvisions(height, width, SCALE, RATIO, generator) for _ in range(n)])
    mine = np.concatenate([start, shape], axis=1)
    figures = {
        "area": lambda b: b[:, 2] * b[:, 3],
        "ratio": lambda b: b[:, 3] / b[:, 2],
        "y": lambda b: b[:, 0],
        "x": lambda b: b[:, 1],
        "height": lambda b: b[:, 2],
        "width": lambda b: b[:, 3],
        "right": lambda b: width - b[:, 1] - b[:, 3],
    }
    for name, figure in figures.items():
        one, other = np.sort(figure(mine)), np.sort(figure(theirs))
        at = np.concatenate([one, other])
        distance = np.abs(np.searchsorted(one, at, "right") - np.searchsorted(other, at, "right")).max() / n
        assert distance < 1.95 * math.sqrt(2 / n), name  # p = 0.001 for continuous figures


def test_areas_and_shapes_are_within_the_limits_and_even():
    _start, shape = boxes(1000, 1000)
    area = shape[:, 0] * shape[:, 1] / 1e6
    ratio = shape[:, 1] / shape[:, 0]
    assert area.min() > 0.079
    assert ratio.min() > 0.745
    assert ratio.max() < 1.343
    assert abs(np.log(ratio).mean()) < 0.01  # even in the logarithm
    narrow = area < 0.5  # nearly all of these fit at the first try
    assert abs(area[narrow].mean() - 0.29) < 0.01


@pytest.mark.parametrize(("height", "width", "shape", "start"), [
    (1, 500, (1, 1), (0, 249)), (3000, 2, (3, 2), (1498, 0)), (10, 1000, (10, 13), (0, 493)),
])  # fmt: skip
def test_what_never_fits_is_the_largest_centred_region_within_the_limits(height, width, shape, start):
    expected = torchvisions(height, width, (1.0, 1.0), RATIO, np.random.default_rng(0))
    assert expected == (*start, *shape)
    found = boxes(height, width, 50, scale=(1.0, 1.0))
    assert np.all(found[0] == start)
    assert np.all(found[1] == shape)


def test_a_pictures_box_does_not_depend_on_its_batch():
    region = random_resized_crop.build(RandomResizedCrop())
    sizes = np.random.default_rng(0).integers(1, 700, (300, 2)).astype(np.int32)
    whole = region.boxes(draws(300), sizes)
    for i in (0, 7, 299):
        start, shape = region.boxes(draws(1, first=i), sizes[i : i + 1])
        assert np.array_equal(start[0], whole[0][i])
        assert np.array_equal(shape[0], whole[1][i])


@pytest.mark.parametrize("options", [{"scale": (0.9, 0.1)}, {"ratio": (2.0, 0.5)}])
def test_a_range_that_falls_is_refused(options):
    with pytest.raises(UserError, match="must rise"):
        random_resized_crop.build(RandomResizedCrop(**options))


@pytest.mark.parametrize("padding", [1, 4, 28])
def test_shifts_cover_every_offset_evenly(padding):
    (start,) = random_crop.build(RandomCrop(padding=padding)).draw(draws(40_000), 32)
    assert start.dtype == np.int32
    assert start.shape == (40_000, 2)
    expected = 40_000 / (2 * padding + 1)
    for axis in (0, 1):
        counts = np.bincount(start[:, axis] + padding, minlength=2 * padding + 1)
        assert len(counts) == 2 * padding + 1
        assert np.abs(counts - expected).max() < 5 * math.sqrt(expected)
    assert abs(np.corrcoef(start.T)[0, 1]) < 0.025


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
def test_flips_come_as_often_as_asked(probability):
    flip = horizontal_flip.build(HorizontalFlip(probability=probability))
    (flags,) = flip.draw(draws(40_000, stream="flip"), 32)
    assert flags.dtype == np.int32
    assert set(np.unique(flags)) <= {0, 1}
    spread = math.sqrt(40_000 * probability * (1 - probability))
    assert abs(flags.sum() - 40_000 * probability) <= 4.5 * spread


def test_options_are_importable_without_dali_and_torch():
    import subprocess
    import sys

    code = "import sys, imgcls_augment.options; assert not {'torch', 'nvidia.dali', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
