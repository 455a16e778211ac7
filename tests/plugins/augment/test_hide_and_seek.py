"""Patches of a drawn size are hidden one by one: two fifths of all pixels, not 0.6 %."""

import numpy as np
import pytest

from imgcls import Draws, UserError
from imgcls_augment import hide_and_seek
from imgcls_augment.horizontal_flip import Flip
from imgcls_augment.options import HideAndSeek


def drawn(augmentation, n, size, epoch=0, first=0):
    return augmentation.draw(Draws(4, epoch, np.arange(first, first + n), "hide/0"), size)


def mask_of(corners, shapes, size):
    """Return which pixels of one image are hidden."""
    mask = np.zeros((size, size), bool)
    for (top, left), (height, width) in zip(corners.reshape(-1, 2), shapes.reshape(-1, 2), strict=True):
        mask[int(top) : int(top + height), int(left) : int(left + width)] = True
    return mask


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("options", [HideAndSeek(), HideAndSeek(sizes=(5, 12), hide=0.3, fill=(200,))])
def test_the_pixels_of_the_hidden_patches_are_filled_and_no_others(pixels_index, trained, channels, options):
    made = pixels_index(channels, size=48)
    patches = hide_and_seek.build(options)
    level = options.fill or ((117,) if channels == 1 else (124, 116, 104))
    shares = set()
    for (epoch, sample), image in trained(made, [("hide/0", patches)]).items():
        corners, shapes = drawn(patches, 1, 48, epoch, sample)
        mask = mask_of(corners[0], shapes[0], 48)
        assert np.array_equal(image, np.where(mask[:, :, None], np.uint8(level), made.pixels[sample]))
        shares.add(mask.mean())
    assert len(shares) > 4


@pytest.mark.parametrize("size", [32, 56, 97, 224])
def test_two_fifths_of_the_pixels_are_hidden_with_the_default_sizes(size):
    """One of five sizes leaves the image whole, the other four hide half of it: 0.8 * 0.5, at every image size."""
    n = 3000
    corners, shapes = drawn(hide_and_seek.build(HideAndSeek()), n, size)
    seen = np.minimum(corners + shapes, size) - corners
    shares = np.prod(seen.reshape(n, -1, 2), axis=2).sum(axis=1) / size**2
    assert abs(shares.mean() - 0.4) < 4.5 * shares.std() / np.sqrt(n)
    assert mask_of(corners[7], shapes[7], size).mean() == pytest.approx(shares[7]), "patches do not overlap"


def test_the_pipeline_itself_hides_two_fifths(pixels_index, trained):
    made = pixels_index(1, n=200, size=64)
    patches = hide_and_seek.build(HideAndSeek(fill=(255,)))
    found = trained(made, [("hide/0", patches)], batch_size=50)
    shares = np.array([(image == 255).mean() for image in found.values()])
    before = (made.pixels == 255).mean()
    assert abs(shares.mean() - (0.4 + 0.6 * before)) < 4.5 * shares.std() / np.sqrt(len(shares))


def test_each_size_comes_as_often_and_its_patches_cover_the_image():
    n, size = 6000, 224
    corners, shapes = drawn(hide_and_seek.build(HideAndSeek(hide=1.0)), n, size)
    sides = shapes.max(axis=1).astype(int)
    values, counts = np.unique(sides, return_counts=True)
    assert values.tolist() == [0, 16, 32, 44, 56]
    assert np.abs(counts - n / 5).max() < 5 * np.sqrt(n / 5)
    for side in values[1:]:
        image = np.flatnonzero(sides == side)[0]
        assert mask_of(corners[image], shapes[image], size).all()


@pytest.mark.parametrize("hide", [0.0, 0.2, 0.5, 1.0])
def test_every_patch_is_hidden_with_its_probability_and_on_its_own(hide):
    n = 8000
    _corners, shapes = drawn(hide_and_seek.build(HideAndSeek(sizes=(16,), hide=hide)), n, 64)
    hidden = shapes.reshape(n, 16, 2)[:, :, 0] > 0
    assert np.abs(hidden.sum(axis=0) - n * hide).max() <= 4.5 * np.sqrt(n * hide * (1 - hide))
    if 0 < hide < 1:
        assert np.abs(np.corrcoef(hidden.T) - np.eye(16)).max() < 4.5 / np.sqrt(n)


def test_the_patches_do_not_depend_on_batch_size_threads_or_start(assert_steady):
    patches = hide_and_seek.build(HideAndSeek())
    assert_steady([("hide/0", patches), ("flip/0", Flip(0.5))])
    whole, alone = drawn(patches, 50, 32), drawn(patches, 1, 32, first=33)
    assert all(np.array_equal(one[33], other[0]) for one, other in zip(whole, alone, strict=True))


def test_size_zero_alone_hides_nothing(pixels_index, trained):
    made = pixels_index(3)
    found = trained(made, [("hide/0", hide_and_seek.build(HideAndSeek(sizes=(0,))))])
    assert all(np.array_equal(image, made.pixels[sample]) for (_, sample), image in found.items())


def test_no_sizes_are_refused():
    with pytest.raises(UserError, match="sizes is empty; list at least one"):
        hide_and_seek.build(HideAndSeek(sizes=()))
