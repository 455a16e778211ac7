"""AutoAugment: the published policies, drawn as often as they say, with Pillow's results."""

import math

import numpy as np
import pytest
from nvidia.dali.auto_aug import auto_augment as dalis

from imgcls_augment import auto_augment
from imgcls_augment.options import AutoAugment
from imgcls_augment.policies import POLICIES

N = 50_000
DALIS = {
    "imagenet": dalis.get_reduced_image_net_policy,
    "cifar10": dalis.get_reduced_cifar10_policy,
    "svhn": dalis.get_svhn_policy,
}


def built(policy, **options):
    return auto_augment.build(AutoAugment(policy=policy, **options))


@pytest.mark.parametrize("policy", DALIS)
def test_the_tables_are_those_that_dali_copied_from_the_paper(policy):
    theirs = []
    for sub_policy in DALIS[policy]().sub_policies:
        names = [
            step[0].name.replace("_no_shape", "").replace("auto_contrast", "autocontrast") for step in sub_policy
        ]
        theirs.append([(name, step[1], step[2] or 0) for name, step in zip(names, sub_policy, strict=True)])
    mine = [[step for step in sub_policy if step[1] > 0] for sub_policy in POLICIES[policy]]
    assert len(mine) == 25
    # DALI leaves out what has the probability 0
    assert mine == [[step for step in sub_policy if step[1] > 0] for sub_policy in theirs]


@pytest.mark.parametrize("policy", POLICIES)
def test_every_step_comes_as_often_as_its_policy_says(policy, draws_of):
    augmentation = built(policy)
    drawn = augmentation.draw(draws_of("a", N), 64)
    geometric = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
    for step in (0, 1):
        kind = np.array(augmentation.one_of.kinds)[drawn[3 * step]]
        expected = {}
        for sub_policy in POLICIES[policy]:
            name, probability, _ = sub_policy[step]
            name = "warp" if name in geometric else name
            expected[name] = expected.get(name, 0) + probability / 25
        expected["keep"] = 1 - sum(expected.values())
        for name, share in expected.items():
            spread = math.sqrt(N * share * (1 - share))
            assert abs((kind == name).sum() - N * share) <= 4.5 * spread, (step, name)
        assert set(kind) == {name for name, share in expected.items() if share > 0}


def test_both_steps_are_of_one_sub_policy(draws_of):
    augmentation = built("imagenet")
    first, _, _, second, _, _ = augmentation.draw(draws_of("a", N), 64)
    pairs = {
        (augmentation.one_of.kinds[a], augmentation.one_of.kinds[b]) for a, b in zip(first, second, strict=True)
    }
    assert ("color", "contrast") in pairs
    assert ("contrast", "color") not in pairs
    assert ("sharpness", "equalize") not in pairs


def test_levels_and_signs_are_those_of_the_steps(draws_of):
    augmentation = built("imagenet")
    drawn = augmentation.draw(draws_of("a", N), 331)
    second = np.array(augmentation.one_of.kinds)[drawn[3]]
    contrast = drawn[4][second == "contrast"]
    assert set(np.round(contrast.astype(float), 4)) == {0.2, 1.8}  # level 8 of 9 of 0.9
    assert (contrast > 1).mean() == pytest.approx(0.5, abs=0.04)
    solarize = set(np.round(drawn[4][second == "solarize"].astype(float), 2))
    assert solarize == {round(255 * (1 - level / 9), 2) for level in (4, 8, 7)}
    degrees = np.degrees(np.arcsin(drawn[5][second == "warp"][:, 1, 0].astype(float)))
    assert set(np.round(np.abs(degrees), 2)) == {30.0, 26.67}
    assert (degrees > 0).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_is_pillows(policy, channels, photos_index, trained, draws_of, in_order):
    """Two steps: what was 1 apart may be more after the second, so all but one pixel of two hundred is compared."""
    index = photos_index(channels)
    augmentation = built(policy)
    changed, far = 0, []
    for (epoch, sample), image in trained(index, [("a", augmentation)], epochs=6).items():
        drawn = augmentation.draw(draws_of("a", [sample], epoch), 64)
        steps = [(augmentation.one_of.kinds[drawn[i][0]], drawn[i + 1][0], drawn[i + 2][0]) for i in (0, 3)]
        expected = in_order(steps, index.pixels[sample])
        difference = np.abs(image.astype(int) - expected)
        far.append(np.quantile(difference, 0.95))
        changed += not np.array_equal(image, index.pixels[sample])
    assert changed > 0.5 * len(far)
    assert np.quantile(far, 0.9) <= 2
    assert np.max(far) <= 12


@pytest.mark.parametrize("policy", POLICIES)
def test_an_image_is_the_same_in_any_batch_on_any_thread(policy, assert_steady):
    assert_steady([("a", built(policy))])
