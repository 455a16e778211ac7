"""What is held out depends on seed and sample, class by class."""

from itertools import pairwise

import numpy as np
import pytest

from imgcls.data.split import some_of, stratified

LABELS = np.random.default_rng(0).integers(0, 7, 1000)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5, 0.9])
def test_both_parts_make_up_the_whole_in_rising_order(share):
    train, held_out = stratified(LABELS, share, 3)
    assert np.array_equal(np.sort(np.concatenate([train, held_out])), np.arange(1000))
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(held_out) > 0)
    assert train.dtype == held_out.dtype == np.int64


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5, 0.9])
def test_every_class_gives_its_share(share):
    _, held_out = stratified(LABELS, share, 3)
    for label in range(7):
        members = int((label == LABELS).sum())
        assert int((LABELS[held_out] == label).sum()) == max(1, round(share * members))


def test_a_class_of_one_stays_in_training_and_one_of_two_gives_one():
    for seed in range(20):
        train, held_out = stratified(np.array([0, 1, 1, 2, 2, 2]), 0.99, seed)
        assert 0 in train
        assert np.bincount(np.array([0, 1, 1, 2, 2, 2])[held_out], minlength=3).tolist() == [0, 1, 2]


def test_another_seed_holds_out_others_and_the_same_seed_the_same():
    parts = {stratified(LABELS, 0.2, seed)[1].tobytes() for seed in range(10)}
    assert len(parts) == 10
    assert stratified(LABELS, 0.2, 4)[1].tobytes() == stratified(LABELS, 0.2, 4)[1].tobytes()


def test_every_sample_is_held_out_equally_often():
    labels = np.array([0, 1] * 10)
    counts = np.zeros(20)
    for seed in range(2000):
        counts[stratified(labels, 0.3, seed)[1]] += 1
    assert np.abs(counts - 600).max() < 5 * np.sqrt(600)


def test_a_larger_share_keeps_what_a_smaller_one_held_out():
    small, large = (set(stratified(LABELS, share, 8)[1].tolist()) for share in (0.1, 0.3))
    assert small < large


def test_the_split_never_changes_from_one_version_to_the_next():
    assert stratified(np.array([0, 1] * 10), 0.3, 5)[1].tolist() == [4, 7, 8, 10, 11, 13]


FRACTIONS = [0.001, 0.01, 0.1, 0.3, 0.5, 0.9, 1.0]


@pytest.mark.parametrize("fraction", FRACTIONS)
def test_every_class_gives_its_share_to_a_fraction_and_at_least_one(fraction):
    chosen = some_of(LABELS, fraction, 3)
    assert chosen.dtype == np.int64
    assert np.all(np.diff(chosen) > 0)
    for label in range(7):
        members = int((label == LABELS).sum())
        assert int((LABELS[chosen] == label).sum()) == max(1, round(fraction * members))


def test_a_class_of_one_is_in_every_fraction():
    for seed in range(20):
        assert np.bincount(np.array([0, 1, 1, 2, 2, 2])[some_of(np.array([0, 1, 1, 2, 2, 2]), 0.01, seed)]).tolist() == [
            1, 1, 1,
        ]  # fmt: skip


def test_a_larger_fraction_has_all_of_a_smaller_one():
    parts = [set(some_of(LABELS, fraction, 8).tolist()) for fraction in FRACTIONS]
    assert all(small < large for small, large in pairwise(parts))
    assert parts[-1] == set(range(1000))


def test_which_samples_a_fraction_has_depends_on_their_numbers_and_not_on_which_others_there_are():
    numbers = np.arange(1000)
    chosen = {label: some_of(LABELS[label == LABELS], 0.2, 5, numbers[label == LABELS]) for label in range(7)}
    apart = np.sort(np.concatenate([numbers[label == LABELS][chosen[label]] for label in range(7)]))
    assert np.array_equal(apart, some_of(LABELS, 0.2, 5))


def test_streams_hold_out_independent_samples():
    one, other = (stratified(LABELS, 0.5, 3, stream=name)[1] for name in ("split", "holdout"))
    fraction = some_of(LABELS, 0.5, 3)
    for mine, theirs in ((one, other), (one, fraction), (other, fraction)):
        both = len(np.intersect1d(mine, theirs))
        assert abs(both - 250) < 5 * np.sqrt(1000 / 16)


def test_a_fraction_never_changes_from_one_version_to_the_next():
    assert some_of(np.array([0, 1] * 10), 0.3, 5).tolist() == [2, 8, 9, 10, 13, 15]
    assert stratified(np.array([0, 1] * 10), 0.3, 5, stream="holdout")[1].tolist() == [4, 5, 8, 9, 14, 19]
