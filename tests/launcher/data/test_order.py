"""Batches are a function of seed, epoch and step, and every number of workers shares out the same ones."""

import itertools

import numpy as np
import pytest

from imgcls.data.draws import permutation
from imgcls.data.order import Order

SHAPES = [(1, 1), (7, 3), (10, 10), (10, 11), (100, 32), (97, 8), (64, 64), (1000, 128), (129, 128)]
WORLDS = (1, 2, 3, 4, 16)


def epoch_of(order, epoch, world=1):
    steps = range(epoch * order.steps_per_epoch, (epoch + 1) * order.steps_per_epoch)
    return [[order.at(step, rank, world) for rank in range(world)] for step in steps]


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(("n", "batch"), SHAPES)
def test_even_shows_every_sample_exactly_once_an_epoch(n, batch, world):
    order = Order(n, batch, epochs=3, seed=4)
    for epoch in range(3):
        seen = np.concatenate([p.samples for places in epoch_of(order, epoch, world) for p in places])
        assert np.array_equal(np.sort(seen), np.arange(n))


@pytest.mark.parametrize(("n", "batch"), SHAPES)
def test_even_batches_differ_by_one_at_most_and_none_is_too_large(n, batch):
    order = Order(n, batch, epochs=2, seed=4)
    assert order.steps_per_epoch == -(-n // batch)
    for epoch in range(2):
        sizes = [len(places[0].samples) for places in epoch_of(order, epoch)]
        assert max(sizes) - min(sizes) <= 1
        assert max(sizes) <= batch


@pytest.mark.parametrize(("n", "batch"), [shape for shape in SHAPES if shape[0] >= shape[1]])
def test_drop_has_equal_batches_of_distinct_samples_and_leaves_the_rest(n, batch):
    order = Order(n, batch, epochs=2, seed=4, last_batch="drop")
    assert order.steps_per_epoch == n // batch
    for epoch in range(2):
        places = [places[0] for places in epoch_of(order, epoch)]
        assert {len(place.samples) for place in places} == {batch}
        seen = np.concatenate([place.samples for place in places])
        assert len(np.unique(seen)) == len(seen) == n - n % batch
        assert np.array_equal(seen, permutation(4, epoch, n)[: len(seen)])


@pytest.mark.parametrize("last_batch", ["even", "drop"])
@pytest.mark.parametrize(("n", "batch"), [(100, 32), (97, 16), (129, 128)])
def test_the_ranks_parts_make_up_the_same_global_batch_for_every_number_of_workers(n, batch, last_batch):
    order = Order(n, batch, epochs=3, seed=1, last_batch=last_batch)
    for step in range(order.total_steps):
        whole = order.at(step)
        for world in WORLDS:
            parts = [order.at(step, rank, world) for rank in range(world)]
            assert np.array_equal(np.concatenate([part.samples for part in parts]), whole.samples)
            assert {(p.step, p.epoch, p.batch_size) for p in parts} == {(step, whole.epoch, len(whole.samples))}


@pytest.mark.parametrize("last_batch", ["even", "drop"])
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(("n", "batch"), [(100, 32), (97, 16), (1000, 128), (64, 64), (129, 128)])
def test_largest_and_smallest_part_are_those_that_come(n, batch, world, last_batch):
    order = Order(n, batch, epochs=1, seed=1, last_batch=last_batch)
    sizes = [len(place.samples) for places in epoch_of(order, 0, world) for place in places]
    assert max(sizes) == order.largest_part(world)
    assert min(sizes) == order.smallest_part(world)


@pytest.mark.parametrize("last_batch", ["even", "drop"])
def test_seeking_a_step_gives_what_iterating_to_it_gives(last_batch):
    def make():
        return Order(53, 8, epochs=4, seed=9, last_batch=last_batch)

    one_after_another = make()
    places = [one_after_another.at(step, 1, 2) for step in range(one_after_another.total_steps)]
    backwards = make()
    for step in reversed(range(len(places))):
        assert np.array_equal(backwards.at(step, 1, 2).samples, places[step].samples)
        assert np.array_equal(make().at(step, 1, 2).samples, places[step].samples)
        assert places[step].epoch == step // one_after_another.steps_per_epoch


@pytest.mark.parametrize("last_batch", ["even", "drop"])
@pytest.mark.parametrize("seed", range(5))
def test_an_epoch_whose_every_step_has_another_number_of_workers_uses_each_sample_once(seed, last_batch):
    draw = np.random.default_rng(seed)
    n, batch = int(draw.integers(20, 300)), int(draw.integers(1, 20))
    order = Order(n, batch, epochs=2, seed=seed, last_batch=last_batch)
    for epoch in range(2):
        steps = range(epoch * order.steps_per_epoch, (epoch + 1) * order.steps_per_epoch)
        worlds = draw.integers(1, 9, len(steps)).tolist()
        ranks = [(step, rank, world) for step, world in zip(steps, worlds, strict=True) for rank in range(world)]
        used = np.concatenate([order.at(*rank).samples for rank in ranks])
        assert np.array_equal(used, permutation(seed, epoch, n)[: len(used)])
        assert len(used) == (n if last_batch == "even" else n - n % batch)


def test_epochs_and_seeds_have_orders_of_their_own():
    firsts = [
        np.concatenate([p[0].samples for p in epoch_of(Order(60, 7, 3, seed), epoch)]).tobytes()
        for seed, epoch in itertools.product((0, 1, 2), (0, 1, 2))
    ]
    assert len(set(firsts)) == 9


def test_the_order_does_not_depend_on_the_batch_size():
    whole = permutation(5, 1, 60)
    for batch in (1, 7, 13, 60):
        order = Order(60, batch, epochs=2, seed=5)
        assert np.array_equal(np.concatenate([p[0].samples for p in epoch_of(order, 1)]), whole)
