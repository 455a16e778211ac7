"""The generator is Philox4x32-10, and what it gives a sample depends on nothing but the keys."""

import hashlib

import numpy as np
import pytest

from imgcls.data.draws import Draws, permutation, philox, words

# Random123's own known answers, kat_vectors, "philox4x32 10"
ONES = 0xFFFFFFFF
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES, ONES, ONES, ONES), (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]

# made by this very code, once: a change here changes every run that was ever made
GOLDEN_DRAWS = [
    [0x7AA14E95, 0xFDDB0AB5, 0xA8B54E22, 0xAAE19272, 0x59750856],
    [0x1CE19149, 0x60E7EDDB, 0x3B46E627, 0x709CE9E1, 0xA01FB0AB],
    [0xE42F153C, 0x88966C6B, 0xB4783AFE, 0xD2E50FAF, 0x283AEF2B],
]
GOLDEN_ORDERS = {
    (0, 0, 10): [7, 8, 0, 1, 2, 4, 6, 5, 3, 9],
    (1, 0, 10): [5, 6, 7, 4, 1, 0, 3, 2, 9, 8],
    (0, 1, 11): [4, 10, 2, 6, 9, 8, 7, 0, 3, 1, 5],
    (2**40 + 7, 3, 7): [0, 4, 5, 2, 6, 3, 1],
}
GOLDEN_LONG = "3a09b018b65a8689944182314544dd1909dd476d28231bb2a38e6b8c9991d4b6"


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_gives_the_published_known_answers(counter, key, answer):
    found = philox(tuple(np.array([word], np.uint64) for word in counter), key)
    assert tuple(int(word[0]) for word in found) == answer


def test_philox_computes_each_lane_by_itself():
    lanes = tuple(np.array([known[0][i] for known in KNOWN[:1] * 3], np.uint64) for i in range(4))
    lanes[0][1] = 1
    found = philox(lanes, (0, 0))
    assert [int(word[0]) for word in found] == [int(word[2]) for word in found] == list(KNOWN[0][2])
    assert int(found[0][1]) != KNOWN[0][2][0]


def test_a_sample_draws_the_same_in_every_batch():
    every = Draws(3, 1, np.arange(1000), "crop").uniform(7)
    assert np.array_equal(Draws(3, 1, np.array([999, 5, 5, 0]), "crop").uniform(7), every[[999, 5, 5, 0]])
    for start in range(0, 1000, 77):
        some = np.arange(start, min(start + 77, 1000))
        assert np.array_equal(Draws(3, 1, some, "crop").uniform(7), every[some])


@pytest.mark.parametrize("parts", [(1, 1, 1, 1, 1, 1, 1, 1, 1), (4, 5), (3, 3, 3), (2, 7), (8, 1), (9, 0)])
def test_calls_continue_one_stream_however_it_is_cut(parts):
    samples = np.arange(20)
    whole = Draws(11, 0, samples, "a").uniform(9)
    draws = Draws(11, 0, samples, "a")
    assert np.array_equal(np.concatenate([draws.uniform(count) for count in parts], axis=1), whole)


def test_words_from_the_middle_are_those_of_the_whole():
    samples = np.array([0, 1, 2**31, 2**32 - 1])
    whole = words(5, "x", 2, samples, 0, 23)
    for first in range(20):
        for count in (1, 2, 3):
            assert np.array_equal(words(5, "x", 2, samples, first, count), whole[:, first : first + count])


def test_draws_of_no_sample_have_no_rows():
    draws = Draws(1, 0, np.empty(0, np.int64), "a")
    assert draws.uniform(3).shape == (0, 3)
    assert draws.integers(5, 2).shape == (0, 2)
    assert draws.chance(0.5).shape == (0,)
    assert len(draws) == 0


def test_uniform_numbers_are_uniform_and_below_one():
    numbers = Draws(0, 0, np.arange(50_000), "u").uniform(4)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    for column in numbers.T:
        counts = np.bincount((column * 100).astype(int), minlength=100)
        chi2 = ((counts - 500) ** 2 / 500).sum()
        assert 50 < chi2 < 180  # 99 degrees of freedom; both ends beyond 1e-5
    correlation = np.corrcoef(numbers.T) - np.eye(4)
    assert np.abs(correlation).max() < 0.025


def test_neighbouring_samples_epochs_and_seeds_are_independent():
    samples = np.arange(40_000)
    one = Draws(9, 0, samples, "u").uniform()[:, 0]
    others = {
        "next sample": np.roll(one, 1),
        "next epoch": Draws(9, 1, samples, "u").uniform()[:, 0],
        "next seed": Draws(10, 0, samples, "u").uniform()[:, 0],
        "high half of the seed": Draws(9 + 2**32, 0, samples, "u").uniform()[:, 0],
        "other stream": Draws(9, 0, samples, "v").uniform()[:, 0],
        "like-named stream": Draws(9, 0, samples, "u/0").uniform()[:, 0],
    }
    for name, other in others.items():
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.025, name
        assert (one == other).mean() < 0.001, name


@pytest.mark.parametrize("probability", [0.0, 0.01, 0.25, 0.5, 0.9, 1.0])
def test_chance_comes_as_often_as_it_should(probability):
    n = 100_000
    found = Draws(1, 0, np.arange(n), "c").chance(probability)
    assert found.dtype == np.bool_
    assert abs(found.sum() - n * probability) <= 4.5 * np.sqrt(n * probability * (1 - probability))


@pytest.mark.parametrize("below", [1, 2, 3, 9, 256, 2**20])
def test_integers_cover_their_range_evenly(below):
    found = Draws(1, 0, np.arange(60_000), "i").integers(below, 2)
    assert found.dtype == np.int64
    assert found.min() >= 0
    assert found.max() < below
    assert abs(found.mean() - (below - 1) / 2) < 5 * below / np.sqrt(12 * found.size)
    if below <= 256:
        counts = np.bincount(found.reshape(-1), minlength=below)
        expected = found.size / below
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**40 + 3, 2**63 - 1])
def test_every_seed_up_to_63_bits_has_numbers_of_its_own(seed):
    mine = Draws(seed, 0, np.arange(200), "s").uniform(2)
    assert np.array_equal(mine, Draws(seed, 0, np.arange(200), "s").uniform(2))
    for other in (seed ^ 1, seed ^ 2**32, seed ^ 2**62):
        assert not np.any(mine == Draws(other, 0, np.arange(200), "s").uniform(2))


def test_draws_never_change_from_one_version_to_the_next():
    drawn = Draws(7, 2, np.array([0, 1, 1000]), "crop").uniform(5) * 2**32
    assert [[int(value) for value in row] for row in drawn] == GOLDEN_DRAWS


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 999, 1000])
def test_a_permutation_has_every_sample_once(n):
    for seed in (0, 5, 2**50):
        for epoch in (0, 1, 90):
            assert np.array_equal(np.sort(permutation(seed, epoch, n)), np.arange(n))


def test_a_permutation_differs_by_epoch_and_seed_and_repeats():
    orders = {permutation(seed, epoch, 50).tobytes() for seed in (0, 1, 2**32, 2**33) for epoch in range(30)}
    assert len(orders) == 4 * 30
    assert np.array_equal(permutation(3, 4, 50), permutation(3, 4, 50))


def test_every_sample_comes_at_every_position_equally_often():
    n, epochs = 10, 6000
    counts = np.zeros((n, n))
    for epoch in range(epochs):
        counts[np.arange(n), permutation(1, epoch, n)] += 1
    expected = epochs / n
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    pairs = np.zeros(n)
    for epoch in range(epochs):
        order = permutation(2, epoch, n)
        pairs[(order[1] - order[0]) % n] += 1
    assert pairs[0] == 0
    assert np.abs(pairs[1:] - epochs / (n - 1)).max() < 5 * np.sqrt(epochs / (n - 1))


def test_permutations_never_change_from_one_version_to_the_next():
    for (seed, epoch, n), order in GOLDEN_ORDERS.items():
        assert permutation(seed, epoch, n).tolist() == order
    long = permutation(42, 5, 100_003).astype("<i8").tobytes()
    assert hashlib.sha256(long).hexdigest() == GOLDEN_LONG
