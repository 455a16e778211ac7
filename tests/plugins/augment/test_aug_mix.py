"""AugMix: weights of Beta and Dirichlet, chains of one to three, and NumPy's mixture of Pillow's chains."""

import math

import numpy as np
import pytest

from imgcls_augment import aug_mix
from imgcls_augment.options import AugMix

N = 20_000


def built(**options):
    return aug_mix.build(AugMix(**options))


def kolmogorov(found, cdf):
    at = np.sort(found)
    return np.abs(cdf(at) - np.arange(len(at)) / len(at)).max() * math.sqrt(len(at))


def test_weights_are_even_shares_for_alpha_1(draws_of):
    weights = built().draw(draws_of("m", N), 64)[0]
    assert weights.shape == (N, 4)
    assert weights.min() >= 0
    assert np.allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert kolmogorov(weights[:, 0], lambda x: x) < 1.95  # Beta(1, 1); p = 0.001
    for chain in (1, 2, 3):
        share = weights[:, chain] / weights[:, 1:].sum(axis=1)
        assert kolmogorov(share, lambda x: 1 - (1 - x) ** 2) < 1.95  # Dirichlet(1, 1, 1): each is Beta(1, 2)
    assert abs(np.corrcoef(weights[:, 0], weights[:, 1] / weights[:, 1:].sum(axis=1))[0, 1]) < 0.03


@pytest.mark.parametrize("alpha", [0.1, 0.5, 5.0, 100.0])
def test_weights_scatter_as_alpha_says(alpha, draws_of):
    weights = built(alpha=alpha, width=2).draw(draws_of("m", N), 64)[0].astype(float)
    assert np.isfinite(weights).all()
    variance = 1 / (4 * (2 * alpha + 1))  # of Beta(alpha, alpha)
    assert weights[:, 0].mean() == pytest.approx(0.5, abs=4.5 * math.sqrt(variance / N))
    assert weights[:, 0].var() == pytest.approx(variance, rel=0.05)


def kinds_of(augmentation, drawn):
    """The operations' names, (n, width, places)."""
    every = np.array(augmentation.one_of.kinds)[np.stack(drawn[1::3], axis=1)]
    return every.reshape(len(every), augmentation.width, -1)


def test_chains_have_one_to_three_operations_alike(draws_of):
    augmentation = built()
    kinds = kinds_of(augmentation, augmentation.draw(draws_of("m", N), 64))
    assert kinds.shape == (N, 3, 3)
    depth = (kinds != "keep").sum(axis=2)
    assert (kinds[:, :, 0] != "keep").all()
    for chain in range(3):
        counts = np.bincount(depth[:, chain])[1:]
        assert np.abs(counts - N / 3).max() < 4.5 * math.sqrt(N * 2 / 9)
    names, counts = np.unique(kinds[:, :, 0], return_counts=True)
    assert set(names) == {"warp", "posterize", "solarize", "autocontrast", "equalize"}
    shares = dict(zip(names, counts / (3 * N), strict=True))
    assert shares["warp"] == pytest.approx(5 / 9, abs=0.01)
    assert shares["equalize"] == pytest.approx(1 / 9, abs=0.01)


def test_a_depth_that_is_given_is_that_of_every_chain(draws_of):
    augmentation = built(depth=4, width=1, all_operations=True)
    kinds = kinds_of(augmentation, augmentation.draw(draws_of("m", N), 64))
    assert kinds.shape == (N, 1, 4)
    assert (kinds != "keep").all()
    assert {"brightness", "color", "contrast", "sharpness"} < set(kinds.ravel())


@pytest.mark.parametrize("severity", [1, 3, 10])
def test_magnitudes_are_even_up_to_the_severity(severity, draws_of):
    augmentation = built(severity=severity)
    drawn = augmentation.draw(draws_of("m", N), 64)
    solarize = drawn[2][np.array(augmentation.one_of.kinds)[drawn[1]] == "solarize"]
    magnitude = (256 - solarize) / 25.6
    assert kolmogorov((magnitude - 0.1) / (severity - 0.1), lambda x: x) < 1.95


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("options", [{}, {"severity": 10, "depth": 1, "width": 2, "all_operations": True}])
def test_the_mixture_is_numpys_of_pillows_chains(options, channels, photos_index, trained, draws_of, in_order):
    index = photos_index(channels)
    augmentation = built(**options)
    found = trained(index, [("m", augmentation)])
    for (epoch, sample), image in found.items():
        drawn = [each[0] for each in augmentation.draw(draws_of("m", [sample], epoch), 64)]
        weights, rest = drawn[0], drawn[1:]
        steps = [(augmentation.one_of.kinds[rest[i]], rest[i + 1], rest[i + 2]) for i in range(0, len(rest), 3)]
        places = len(steps) // augmentation.width
        expected = weights[0] * index.pixels[sample].astype(float)
        for chain in range(augmentation.width):
            mine = in_order(steps[chain * places : (chain + 1) * places], index.pixels[sample])
            expected += weights[chain + 1] * mine.astype(float)
        difference = np.abs(image - expected)
        assert np.quantile(difference, 0.95) <= (1.51 if "depth" in options else 4)
        assert difference.mean() < 1


def test_an_image_is_the_same_in_any_batch_on_any_thread(assert_steady):
    assert_steady([("m", built())])
