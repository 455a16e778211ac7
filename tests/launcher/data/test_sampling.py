"""Weighted, balanced and repeated epochs: exact counts, pure functions of seed and epoch."""

import numpy as np
import pytest

from imgcls.data.order import Order
from imgcls.data.sampling import balanced, weighted


def whole_epoch(order, epoch, world=1):
    steps = range(epoch * order.steps_per_epoch, (epoch + 1) * order.steps_per_epoch)
    places = [order.at(step, rank, world) for step in steps for rank in range(world)]
    return np.concatenate([p.samples for p in places]), np.concatenate([p.copies for p in places])


def test_a_sample_comes_as_often_as_its_weight_says_rounded_up_or_down():
    weights = np.random.default_rng(0).uniform(0, 5, 1000)
    expected = 1000 * weights / weights.sum()
    sums = np.zeros(1000)
    for epoch in range(40):
        samples, copies = weighted(3, epoch, weights, np.arange(1000) % 7)
        counts = np.bincount(samples, minlength=1000)
        assert np.all(np.floor(expected - 1e-9) <= counts)
        assert np.all(counts <= np.ceil(expected + 1e-9))
        assert copies.dtype == samples.dtype == np.int64
        # copies number the times that a sample comes
        for sample in (0, 17, int(np.argmax(counts))):
            assert sorted(copies[samples == sample]) == list(range(counts[sample]))
        sums += counts
    assert np.abs(sums / 40 - expected).max() < 0.35
    assert abs((sums / 40 - expected).mean()) < 1e-9


def test_a_weight_of_zero_never_comes_wherever_it_stands():
    for weights in ([0.0, 1, 1, 0, 1, 0], [1.0, 0, 0, 0], [0.0] * 50 + [2.0] + [0.0] * 50):
        for epoch in range(30):
            samples, _ = weighted(1, epoch, np.array(weights), np.arange(len(weights)) % 2)
            assert np.all(np.array(weights)[samples] > 0)


def test_equal_weights_show_every_sample_once_in_random_order():
    samples, copies = weighted(1, 0, np.full(500, 0.7), np.arange(500) // 50)
    assert np.array_equal(np.sort(samples), np.arange(500))
    assert not copies.any()
    assert np.abs(np.corrcoef(samples, np.arange(500))[0, 1]) < 0.2


@pytest.mark.parametrize("world", [1, 2, 3])
def test_balance_shows_every_class_equally_often(world):
    labels = np.repeat([0, 1, 2], [900, 90, 10])
    order = Order(1000, 64, 3, 5, weights=balanced(labels, 1.0), labels=labels)
    seen, _ = whole_epoch(order, 1, world)
    assert np.abs(np.bincount(labels[seen]) - 1000 / 3).max() <= 1
    half, _ = whole_epoch(Order(1000, 64, 3, 5, weights=balanced(labels, 0.5), labels=labels), 1, world)
    roots = np.sqrt([900, 90, 10])
    assert np.abs(np.bincount(labels[half]) - 1000 * roots / roots.sum()).max() <= 1.5
    assert np.array_equal(balanced(labels, 0.0), np.ones(1000))


def test_copies_of_a_sample_have_draws_of_their_own():
    from imgcls import Draws

    samples, copies = np.array([7, 7, 7, 8]), np.array([0, 1, 2, 0])
    drawn = Draws(1, 0, samples, "crop", copies).uniform(6)
    assert np.array_equal(drawn[0], Draws(1, 0, np.array([7]), "crop").uniform(6)[0])
    assert len({row.tobytes() for row in drawn}) == 4
    assert len(np.unique(drawn)) == drawn.size


@pytest.mark.parametrize("last_batch", ["even", "drop"])
@pytest.mark.parametrize("repeats", [2, 3, 4])
def test_each_batch_has_each_of_its_samples_in_as_many_copies(repeats, last_batch):
    order = Order(1000, 96, 2, 9, last_batch, repeats=repeats)
    for step in range(order.total_steps):
        place = order.at(step)
        size = len(place.samples)
        assert len(np.unique(place.samples)) == -(-size // repeats)
        assert len(set(zip(place.samples.tolist(), place.copies.tolist(), strict=True))) == size
        counts = np.unique(place.samples, return_counts=True)[1]
        assert counts.max() == repeats
        assert (counts < repeats).sum() <= repeats
        # neighbours are partners of a mixture: never the same picture
        assert np.all(place.samples[:-1] != place.samples[1:])


@pytest.mark.parametrize("repeats", [2, 3])
def test_an_epoch_with_copies_has_as_many_draws_and_no_sample_twice_over(repeats):
    order = Order(960, 96, 2, 9, repeats=repeats)
    samples, copies = whole_epoch(order, 0)
    assert len(samples) == 960
    assert len(np.unique(samples)) == 960 // repeats
    assert set(copies) == set(range(repeats))
    other, _ = whole_epoch(order, 1)
    assert len(np.intersect1d(samples, other)) < len(np.unique(samples))


@pytest.mark.parametrize("world", [1, 2, 3, 4, 7])
@pytest.mark.parametrize(("n", "batch"), [(1000, 64), (97, 16), (101, 15)])
def test_groups_stay_on_one_rank_and_all_ranks_make_up_the_batch(n, batch, world):
    order = Order(n, batch, 1, 2, group=2)
    plain = Order(n, batch, 1, 2)
    sizes = []
    for step in range(order.total_steps):
        parts = [order.at(step, rank, world).samples for rank in range(world)]
        assert np.array_equal(np.concatenate(parts), plain.at(step).samples)
        assert all(len(part) % 2 == 0 for part in parts[:-1])
        sizes += [len(part) for part in parts]
    assert max(sizes) == order.largest_part(world)
    assert min(sizes) == order.smallest_part(world)
    assert max(sizes) - min(sizes) <= 3


def test_seeking_gives_the_same_weighted_batches():
    weights, labels = np.random.default_rng(1).uniform(0, 2, 300), np.arange(300) % 4
    order = Order(300, 32, 3, 4, weights=weights, labels=labels, repeats=2)
    for step in (order.total_steps - 1, 3, 11):
        fresh = Order(300, 32, 3, 4, weights=weights, labels=labels, repeats=2).at(step, 1, 2)
        found = order.at(step, 1, 2)
        assert np.array_equal(found.samples, fresh.samples)
        assert np.array_equal(found.copies, fresh.copies)
