"""P3: who computes what of a batch changes with the number of workers; what is computed does not."""

import random

import numpy as np
import pytest

from imgcls.data.order import Order
from imgcls.passes import Shares
from imgcls.recipe.schema import Workers


def shares(least, count, accumulate=1, batch=64, n=1000, group=1):
    order = Order(n, batch, epochs=1, seed=0, group=group)
    return Shares(order.largest_part, Workers(count=count, least=least), accumulate)


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("accumulate", [1, 2, 3, 7])
@pytest.mark.parametrize(("n", "batch"), [(1000, 64), (1438, 32), (97, 16), (64, 64), (5000, 100)])
def test_no_pass_is_larger_than_at_the_most_workers(n, batch, accumulate, group):
    order = Order(n, batch, epochs=1, seed=3, group=group)
    found = Shares(order.largest_part, Workers(count=6, least=1), accumulate)
    for world in range(1, 7):
        for step in range(order.steps_per_epoch):
            for rank in range(world):
                samples = order.at(step, rank, world).samples
                # as imgcls.train.step cuts them
                pieces = np.array_split(samples, min(found.passes(world), len(samples)))
                assert max(map(len, pieces)) <= found.largest_pass, (world, step, rank)


@pytest.mark.parametrize("accumulate", [1, 4, 5])
def test_at_the_most_workers_the_passes_are_those_of_the_recipe(accumulate):
    for count in range(2, 17):
        assert shares(1, count, accumulate).passes(count) == accumulate


def test_a_fixed_number_of_workers_makes_the_recipes_passes_on_every_number():
    fixed = shares(0, 4, accumulate=3)
    assert [fixed.passes(world) for world in (1, 2, 4, 8)] == [3, 3, 3, 3]
    assert fixed.rows() == []
    assert shares(4, 4).rows() == []


def test_the_table_has_a_row_for_each_number_of_passes():
    assert shares(4, 16, batch=1024, n=10_240).rows() == [
        "16 workers: up to 64 samples each, in 1 pass of up to 64",
        "8..15 workers: up to 128 samples each, in 2 passes of up to 64",
        "6..7 workers: up to 171 samples each, in 3 passes of up to 57",
        "4..5 workers: up to 256 samples each, in 4 passes of up to 64",
    ]


def test_a_long_table_is_cut_and_tells_of_the_fewest():
    rows = shares(1, 64, batch=1024, n=10_240).rows()
    assert len(rows) == 6
    assert rows[0].startswith("64 workers: ")
    assert rows[-1] == "... and so on, down to 1 worker: up to 1024 samples each, in 64 passes of up to 16"


@pytest.mark.parametrize("last_batch", ["even", "drop"])
@pytest.mark.parametrize("seed", range(10))
def test_under_random_resizes_every_sample_of_every_epoch_counts_once_in_the_same_batches(seed, last_batch):
    """As faults go: workers go on from a checkpoint in another number, and make the steps since then again."""
    draw = random.Random(seed)
    n, batch, epochs = draw.randint(30, 400), draw.randint(8, 30), 3
    every = draw.randint(1, 9)  # steps between checkpoints
    order = Order(n, batch, epochs, seed, last_batch)
    counted: dict[int, np.ndarray] = {}
    step, resizes = 0, 0
    while step < order.total_steps:
        world = draw.randint(1, 8)
        workers = [Order(n, batch, epochs, seed, last_batch) for _ in range(world)]
        until = min(order.total_steps, step + draw.randint(1, 25))
        for number in range(step, until):
            parts = [each.at(number, rank, world).samples for rank, each in enumerate(workers)]
            counted[number] = np.concatenate(parts)
        resizes += 1
        if until == order.total_steps:
            break
        step = max(step, until // every * every)
    assert resizes > 1
    one = Order(n, batch, epochs, seed, last_batch)
    for number in range(order.total_steps):
        assert np.array_equal(counted[number], one.at(number).samples)
    for epoch in range(epochs):
        steps = range(epoch * order.steps_per_epoch, (epoch + 1) * order.steps_per_epoch)
        used = np.concatenate([counted[number] for number in steps])
        assert len(np.unique(used)) == len(used)
        assert len(used) == (n if last_batch == "even" else n - n % batch)
