"""Partners, targets, and which mixture is drawn: the same on every number of workers."""

import numpy as np
import pytest
import torch

from imgcls import Mix, UserError
from imgcls.data.loader import Batch
from imgcls.data.mixing import Mixing, partner_of
from imgcls.data.order import Order, Place


class Blend(Mix):
    """Takes a drawn share of the image's own pixels."""

    def __init__(self, probability=1.0, share=None):
        self.probability = probability
        self.share = share

    def mix(self, images, partners, draws):
        share = float(draws.uniform()[0, 0]) if self.share is None else self.share
        return share * images + (1 - share) * partners, share


def batch(samples, step=0, epoch=0, kept=None, size=None):
    samples = np.asarray(samples)
    kept = np.arange(len(samples)) if kept is None else np.asarray(kept)
    images = torch.tensor(samples[kept], dtype=torch.float32).reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    place = Place(step, epoch, samples, None, size or len(samples))
    return Batch(images, torch.tensor(samples[kept] % 5), place, kept)


def test_neighbours_are_partners_and_who_has_none_is_alone():
    assert partner_of(np.arange(4)).tolist() == [1, 0, 3, 2]
    assert partner_of(np.arange(5)).tolist() == [1, 0, 3, 2, 4]
    # position 1 was left out, and 4 with its partner 5
    assert partner_of(np.array([0, 2, 3, 6, 7])).tolist() == [0, 2, 1, 4, 3]
    assert partner_of(np.array([1])).tolist() == [0]


def test_images_and_targets_are_mixed_by_the_same_share():
    images, targets = Mixing([("blend/0", Blend(share=0.75))], 1, 5)(batch([10, 21, 32, 43]))
    assert images[:, 0, 0, 0].tolist() == [0.75 * 10 + 0.25 * 21, 0.75 * 21 + 0.25 * 10,
                                           0.75 * 32 + 0.25 * 43, 0.75 * 43 + 0.25 * 32]  # fmt: skip
    assert targets.dtype == torch.float32
    assert targets.tolist() == [
        [0.75, 0.25, 0, 0, 0], [0.25, 0.75, 0, 0, 0], [0, 0, 0.75, 0.25, 0], [0, 0, 0.25, 0.75, 0],
    ]  # fmt: skip


def test_without_a_mixture_labels_stay_labels():
    given = batch([1, 2, 3])
    images, targets = Mixing([], 1, 5)(given)
    assert images is given.images
    assert targets is given.labels


@pytest.mark.parametrize("world", [2, 3, 4])
@pytest.mark.parametrize("n", [64, 61])
def test_every_number_of_workers_makes_the_same_mixtures(n, world):
    mixing = Mixing([("a/0", Blend(0.4)), ("b/0", Blend(0.4))], 7, 5)
    order = Order(n, 16, 3, 7, group=mixing.group)

    def made(world):
        rows = []
        for step in range(order.total_steps):
            for rank in range(world):
                place = order.at(step, rank, world)
                images, targets = mixing(batch(place.samples, step, place.epoch, size=place.batch_size))
                targets = targets if targets.ndim == 2 else torch.nn.functional.one_hot(targets, 5).float()
                rows += zip(images[:, 0, 0, 0].tolist(), targets.tolist(), strict=True)
        return rows

    assert made(world) == made(1)


def test_each_mixture_is_drawn_with_its_probability_and_never_two():
    mixing = Mixing([("half/0", Blend(0.3, share=0.5)), ("other/0", Blend(0.5, share=0.25))], 3, 5)
    found = {0.5: 0, 0.25: 0, None: 0}
    for step in range(3000):
        _, targets = mixing(batch([0, 1], step, step // 50))
        found[None if targets.ndim == 1 else float(targets[0, 0])] += 1
    assert abs(found[0.5] - 900) < 5 * np.sqrt(3000 * 0.3 * 0.7)
    assert abs(found[0.25] - 1500) < 5 * np.sqrt(3000 * 0.25)
    assert abs(found[None] - 600) < 5 * np.sqrt(3000 * 0.2 * 0.8)


def test_probabilities_above_one_in_all_are_refused():
    with pytest.raises(UserError, match=r"augment mixup, cutmix: their probabilities add up to 1\.5"):
        Mixing([("mixup/0", Blend(1.0)), ("cutmix/0", Blend(0.5))], 1, 5)


def test_a_left_out_partner_leaves_the_other_unmixed_and_no_other_pair_changed():
    mixing = Mixing([("blend/0", Blend(share=0.5))], 1, 5)
    whole, _ = mixing(batch([10, 20, 30, 40, 50, 60]))
    some, targets = mixing(batch([10, 20, 30, 40, 50, 60], kept=[0, 1, 3, 4, 5]))
    assert some[:, 0, 0, 0].tolist() == [15, 15, 40, 55, 55]
    assert whole[:, 0, 0, 0].tolist() == [15, 15, 35, 35, 55, 55]
    assert targets[2].tolist() == [1, 0, 0, 0, 0]
