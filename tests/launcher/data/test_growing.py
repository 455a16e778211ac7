"""The size of each epoch, and batches of those sizes: the same on every number of workers, from every step on."""

import numpy as np
import pytest
import torch

from imgcls.data import index as indexing
from imgcls.data.growing import Growth
from imgcls.data.loader import training_batches
from imgcls.data.order import Order
from imgcls.data.pipeline import Machine, Training
from imgcls.data.source import Source
from imgcls.plan import Format
from imgcls_augment.horizontal_flip import build as flip
from imgcls_augment.options import HorizontalFlip, RandomCrop, RandomResizedCrop
from imgcls_augment.random_crop import build as random_crop
from imgcls_augment.random_resized_crop import build as random_resized_crop

CPU = Machine(None, 1, 2, "auto")
GREY = Format(16, 1, (0.0,), (1 / 255,), 16, "bilinear")
GROWTH = Growth(8, 16, 0, 4, 4)  # 8, 8 (10 is as near to 8 as to 12), 12, 16 (14, likewise), 16


def test_the_sizes_are_those_of_ffcvs_sixteen_epochs():
    growth = Growth(160, 192, 11, 13, 32)
    assert [growth.size(epoch) for epoch in range(16)] == [160] * 12 + [192] * 4
    assert Growth(96, 224, 0, 15, 32).stretches(16) == [
        (0, 2, 96), (2, 6, 128), (6, 10, 160), (10, 14, 192), (14, 16, 224),
    ]  # fmt: skip


@pytest.mark.parametrize("begin", [0, 1, 5])
@pytest.mark.parametrize("multiple", [1, 3, 4, 32])
def test_sizes_only_grow_and_stay_between_the_first_and_the_last(begin, multiple):
    growth = Growth(20, 28, begin, begin + 7, multiple)
    sizes = [growth.size(epoch) for epoch in range(20)]
    assert sizes == sorted(sizes)
    assert set(sizes[: begin + 1]) == {20}
    assert set(sizes[begin + 7 :]) == {28}
    assert all(size in (20, 28) or size % multiple == 0 for size in sizes)


def test_stretches_are_the_sizes_of_all_epochs_and_are_said_counted_from_one():
    growth = Growth(20, 28, 3, 8, 4)
    told = [size for first, end, size in growth.stretches(14) for _ in range(first, end)]
    assert told == [growth.size(epoch) for epoch in range(14)]
    assert growth.described(14) == "20 in epochs 1 to 5, 24 in epochs 6 to 7, 28 in epochs 8 to 14"
    assert Growth(20, 28, 0, 1, 4).described(2) == "20 in epoch 1, 28 in epoch 2"


# ---- batches ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    pixels = np.random.default_rng(0).integers(0, 256, (22, 16, 16, 1)).astype(np.uint8)
    source = Source.from_pixels(pixels, np.arange(22) % 3, ["a", "b", "c"])
    return indexing.build(source, tmp_path_factory.mktemp("index"))


def transforms(index):
    whole = [("random_crop/0", random_crop(RandomCrop(padding=2))), ("horizontal_flip/0", flip(HorizontalFlip()))]
    crop = random_resized_crop(RandomResizedCrop(scale=(0.3, 1.0)))
    return {
        "whole": Training(index, GREY, None, whole, 3),
        "region": Training(index, GREY, crop, whole[1:], 3),
    }


def batches(transform, start=0, rank=0, world=1, machine=CPU, growth=GROWTH):
    order = Order(22, 8, 5, 1)
    return list(training_batches(transform, order, start, rank, world, machine, growth=growth))


@pytest.mark.parametrize("name", ["whole", "region"])
def test_every_batch_has_the_size_of_its_epoch_whatever_is_made_ahead(index, name):
    found = batches(transforms(index)[name])
    assert [batch.images.shape[2:] for batch in found] == [(s, s) for s in (8, 8, 12, 16, 16) for _ in range(3)]
    assert [batch.place.step for batch in found] == list(range(15))
    ahead = batches(transforms(index)[name], machine=Machine(None, 2, 7, "auto"))
    assert all(torch.equal(a.images, b.images) for a, b in zip(found, ahead, strict=True))


@pytest.mark.parametrize("name", ["whole", "region"])
def test_an_epoch_is_what_a_run_of_that_size_has_in_it(index, name):
    transform = transforms(index)[name]
    for size in (8, 12, 16):
        fixed = batches(transform.at(size), growth=None)
        grown = [batch for batch in batches(transform) if batch.images.shape[2] == size]
        assert grown
        for batch in grown:
            assert torch.equal(batch.images, fixed[batch.place.step].images)


@pytest.mark.parametrize("world", [2, 4])
def test_several_workers_have_the_images_of_one(index, world):
    transform = transforms(index)["region"]
    ranks = [batches(transform, rank=rank, world=world) for rank in range(world)]
    for whole, *parts in zip(batches(transform), *ranks, strict=True):
        assert torch.equal(whole.images, torch.cat([part.images for part in parts]))
        assert torch.equal(whole.labels, torch.cat([part.labels for part in parts]))


@pytest.mark.parametrize("start", [1, 5, 6, 8, 9, 14])
def test_from_a_step_on_batches_are_those_of_the_whole_run(index, start):
    transform = transforms(index)["whole"]
    for late, whole in zip(batches(transform, start), batches(transform)[start:], strict=True):
        assert late.place.step == whole.place.step
        assert torch.equal(late.images, whole.images)
