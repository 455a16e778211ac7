"""The weight is of the beta distribution, images and labels get the same one, and a perfect answer costs nothing."""

import numpy as np
import pytest
import torch

from imgcls import Draws
from imgcls_augment import cutmix, mixup, resize_mix
from imgcls_augment.beta import beta
from imgcls_augment.options import CutMix, Mixup, ResizeMix
from imgcls_optim.losses import cross_entropy
from imgcls_optim.losses.cross_entropy import CrossEntropy

MIXES = {
    "mixup": mixup.build(Mixup()),
    "cutmix": cutmix.build(CutMix()),
    "resize_mix": resize_mix.build(ResizeMix()),
}


def at(step, stream="mixup/0", seed=4, epoch=0):
    return Draws(seed, epoch, np.array([step]), stream)


def batch(channels, n=6, size=24, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(n, channels, size, size, generator=generator)
    return images, images[torch.arange(n) ^ 1]


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_the_weighted_means_to_the_bit(channels):
    images, partners = batch(channels)
    before = images.clone(), partners.clone()
    shares = set()
    for step in range(20):
        mixed, share = MIXES["mixup"].mix(images, partners, at(step))
        own, other = np.float32(share), np.float32(1 - share)
        assert np.array_equal(mixed.numpy(), images.numpy() * own + partners.numpy() * other)
        assert 0 <= share <= 1
        shares.add(share)
    assert len(shares) == 20
    assert torch.equal(images, before[0])
    assert torch.equal(partners, before[1])


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.4, 0.8, 1.0, 2.0, 30.0])
def test_weights_are_distributed_as_numpys_beta(alpha):
    """Kolmogorov and Smirnov's distance from numpy's numbers, and the mean and variance that Beta(a, a) has."""
    n = 8000
    mine = np.sort([beta(at(step), alpha) for step in range(n)])
    theirs = np.sort(np.random.default_rng(3).beta(alpha, alpha, n))
    both = np.concatenate([mine, theirs])
    distance = np.abs(np.searchsorted(mine, both, "right") - np.searchsorted(theirs, both, "right")).max() / n
    assert distance < 1.95 * np.sqrt(2 / n)  # p = 0.001
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(mine.mean() - 0.5) < 4.5 * np.sqrt(variance / n)
    assert abs(mine.var() / variance - 1) < 0.05


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 5.0])
def test_a_weight_is_the_exact_inverse_of_the_distribution_function(alpha):
    from scipy.special import betainc

    for step in range(200):
        drawn = at(step).uniform()[0, 0]
        found = beta(at(step), alpha)
        # where the function is steep, the nearest float64 is as near as one can get
        below, above = betainc(alpha, alpha, [np.nextafter(found, 0), np.nextafter(found, 1)])
        assert below - 1e-9 <= drawn <= above + 1e-9


@pytest.mark.parametrize("name", MIXES)
def test_a_step_has_one_mixture_whatever_the_worker_and_the_batch(name):
    """Workers have other rows of the global batch; an image comes out the same bit for bit."""
    images, partners = batch(3, n=8)
    mix = MIXES[name]
    for step in range(10):
        whole, share = mix.mix(images, partners, at(step))
        for rows in (slice(0, 4), slice(4, 8), slice(3, 4), slice(1, 8)):
            part, again = mix.mix(images[rows].contiguous(), partners[rows].contiguous(), at(step))
            assert again == share
            assert torch.equal(part, whole[rows])


@pytest.mark.parametrize("name", MIXES)
def test_steps_seeds_and_streams_mix_differently(name):
    images, partners = batch(1)
    keys = [{"step": s} for s in range(5)] + [{"step": 0, "seed": 5}, {"step": 0, "stream": "mixup/1"}]
    found = [MIXES[name].mix(images, partners, at(**key))[0] for key in keys]
    assert all(not torch.equal(found[i], found[j]) for i in range(len(found)) for j in range(i))


@pytest.mark.parametrize("name", MIXES)
def test_threads_change_no_bit(name):
    images, partners = batch(3, n=16, size=64)
    before = torch.get_num_threads()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append([MIXES[name].mix(images, partners, at(step))[0] for step in range(5)])
    torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("name", MIXES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_perfect_answer_to_mixed_labels_has_the_loss_of_their_entropy(name, smoothing):
    """Soft labels go into the loss as they are; a softmax over them would show here."""
    classes, labels = 10, torch.arange(6)
    images, partners = batch(1)
    loss = cross_entropy.build(CrossEntropy(label_smoothing=smoothing), classes)
    own = torch.nn.functional.one_hot(labels, classes).double()
    for step in range(10):
        _mixed, share = MIXES[name].mix(images, partners, at(step))
        targets = share * own + (1 - share) * own[torch.arange(6) ^ 1]
        assert torch.allclose(targets.sum(1), torch.ones(6, dtype=torch.float64))
        smooth = targets * (1 - smoothing) + smoothing / classes
        entropy = -torch.special.xlogy(smooth, smooth).sum(1).mean()
        perfect = torch.log(smooth.clamp_min(1e-30))
        assert loss(perfect, targets).item() == pytest.approx(entropy.item(), abs=1e-9)
        noise = torch.randn(perfect.shape, generator=torch.Generator().manual_seed(step))
        assert loss(perfect + noise, targets).item() > entropy.item()
        assert loss(perfect, targets.softmax(1)).item() > entropy.item() + 0.1, "what softmax would have given"


def test_the_defaults_are_those_of_the_papers():
    assert (Mixup().alpha, CutMix().alpha, ResizeMix().side) == (0.2, 1.0, (0.1, 0.8))
    assert [mix.probability for mix in MIXES.values()] == [1.0] * 3
    assert mixup.build(Mixup(probability=0.25)).probability == 0.25
