"""TrivialAugment: one operation of any of 31 magnitudes, as Pillow has it."""

import numpy as np
import pytest

from imgcls_augment import trivial_augment
from imgcls_augment.options import TrivialAugment

N = 42_000


def drawn(draws_of, n=N):
    single = trivial_augment.build(TrivialAugment())
    kind, value, matrix = single.draw(draws_of("t", n), 224)
    return np.array(single.one_of.kinds)[kind], value, matrix


def test_operations_come_alike(draws_of):
    found, _, _ = drawn(draws_of)
    shares = dict(zip(*np.unique(found, return_counts=True), strict=True))
    # a geometric operation of magnitude 0 is one, too
    expected = dict.fromkeys(shares, N / 14) | {"warp": 5 * N / 14}
    assert len(shares) == 10
    assert sum((shares[name] - expected[name]) ** 2 / expected[name] for name in shares) < 27.9  # p = 0.001


def test_all_31_magnitudes_come_alike(draws_of):
    found, value, _ = drawn(draws_of)
    magnitude = np.rint((255 - value[found == "solarize"]) / 255 * 30)
    counts = np.bincount(magnitude.astype(int))
    assert len(counts) == 31
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 59.7  # chi-square of 30 degrees, p = 0.001
    color = np.unique(np.abs(value[found == "color"] - 1).round(4))
    assert np.allclose(color, np.arange(31) / 30 * 0.99, atol=1e-4)


def test_the_ranges_are_the_wide_ones(draws_of):
    found, value, matrix = drawn(draws_of)
    assert value[found == "brightness"].min() == pytest.approx(0.01, abs=1e-4)
    assert value[found == "brightness"].max() == pytest.approx(1.99, abs=1e-4)
    assert value[found == "posterize"].min() == 192
    assert matrix[:, 0, 1].max() == pytest.approx(1.0, abs=0.011)  # of a rotation by 90 degrees
    assert matrix[:, 0, 0].min() == pytest.approx(np.cos(np.radians(135)), abs=1e-4)
    level = matrix[(matrix[:, :, :2] == np.eye(2)).all(axis=(1, 2))]
    assert (level[:, :, 2].min(), level[:, :, 2].max()) == (-32, 32)
    assert (level[:, 0, 2] > 0).sum() / (level[:, 0, 2] != 0).sum() == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_operation_is_pillows(channels, photos_index, trained, draws_of, by_pillow, assert_near):
    index = photos_index(channels)
    single = trivial_augment.build(TrivialAugment(fill=17))
    seen = set()
    for (epoch, sample), image in trained(index, [("t", single)], epochs=8).items():
        (kind,), (value,), (matrix,) = single.draw(draws_of("t", [sample], epoch), 64)
        kind = single.one_of.kinds[kind]
        seen.add(kind)
        assert_near(image, by_pillow(kind, value, matrix, index.pixels[sample], fill=17), kind)
    assert len(seen) == 10


def test_an_image_is_the_same_in_any_batch_on_any_thread(assert_steady):
    assert_steady([("t", trivial_augment.build(TrivialAugment()))])
