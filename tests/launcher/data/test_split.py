"""What is held out depends on seed and sample, class by class."""

import numpy as np
import pytest

from imgcls.data.split import stratified

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
