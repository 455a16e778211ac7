"""The grid hides the squares that were drawn, and the probability follows the epoch."""

import numpy as np
import pytest

from imgcls import Draws, UserError
from imgcls_augment import grid_mask
from imgcls_augment.horizontal_flip import Flip
from imgcls_augment.options import GridMask


def drawn(augmentation, n, size, epoch=0, first=0):
    return augmentation.draw(Draws(4, epoch, np.arange(first, first + n), "grid/0"), size)


def mask_of(size, tile, ratio, angle, shift_x, shift_y):
    """Return which pixels are hidden: those whose turned, shifted place is in both first parts of a tile."""
    y, x = np.mgrid[:size, :size].astype(np.float64)
    across = (x * np.cos(angle) - y * np.sin(angle) - shift_x) / tile
    down = (x * np.sin(angle) + y * np.cos(angle) - shift_y) / tile
    return (across % 1 < ratio) & (down % 1 < ratio)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("options", [
    GridMask(rise_epochs=2, probability=1.0),
    GridMask(rise_epochs=0, probability=0.7, rotation=0.0, unit=(30, 60), ratio=0.37, fill=(0,)),
    GridMask(rise_epochs=0, probability=1.0, rotation=1.0, fill=(31,)),
])  # fmt: skip
def test_the_pixels_of_the_grid_are_filled_and_no_others(pixels_index, trained, channels, options):
    """Exact here; a pixel whose place is within float32's rounding of a square's edge may fall on either side."""
    made = pixels_index(channels, size=64)
    grid = grid_mask.build(options)
    level = options.fill or ((117,) if channels == 1 else (124, 116, 104))
    shares = []
    for (epoch, sample), image in trained(made, [("grid/0", grid)], epochs=3).items():
        parameters = [each[0] for each in drawn(grid, 1, 64, epoch, sample)]
        mask = mask_of(64, *map(float, parameters))
        assert np.array_equal(image, np.where(mask[:, :, None], np.uint8(level), made.pixels[sample]))
        shares.append(mask.mean())
    assert len(set(shares)) > 12
    assert (0.0 in shares) == (options.rise_epochs > 0 or options.probability < 1)


def test_the_masking_probability_rises_linearly_with_the_epoch_up_to_its_end():
    n = 20_000
    grid = grid_mask.build(GridMask())
    for epoch, expected in (
        (0, 0.0),
        (1, 0.8 / 240),
        (60, 0.2),
        (120, 0.4),
        (239, 0.8 * 239 / 240),
        (240, 0.8),
        (299, 0.8),
    ):
        ratio = drawn(grid, n, 224, epoch)[1]
        assert set(np.unique(ratio)) <= {0.0, 0.5}
        assert abs((ratio > 0).sum() - n * expected) <= 4.5 * np.sqrt(n * expected * (1 - expected))


@pytest.mark.parametrize(("rise", "epoch", "expected"), [(0, 0, 1.0), (1, 0, 0.0), (1, 1, 1.0), (10, 5, 0.5)])
def test_the_rise_is_as_long_as_asked(rise, epoch, expected):
    ratio = drawn(grid_mask.build(GridMask(probability=1.0, rise_epochs=rise)), 5000, 224, epoch)[1]
    assert abs((ratio > 0).mean() - expected) <= 4.5 * np.sqrt(expected * (1 - expected) / 5000)


def test_the_pipeline_knows_the_epoch_and_hides_the_expected_share(pixels_index, trained):
    """At a ratio of 0.5 each pixel of a masked image is hidden with probability 1/4."""
    made = pixels_index(1, n=400, size=32)
    found = trained(made, [("grid/0", grid_mask.build(GridMask(probability=1.0, rise_epochs=4)))], 100, epochs=6)
    for epoch in range(6):
        shares = np.array([(found[epoch, s] != made.pixels[s]).mean() for s in range(400)])
        expected = 0.25 * min(1, epoch / 4) * (made.pixels != 117).mean()
        assert abs(shares.mean() - expected) <= 4.5 * shares.std() / np.sqrt(400)
        assert (shares.max() > 0) == (epoch > 0)


@pytest.mark.parametrize("rotation", [0.0, 360.0])
def test_every_pixel_is_hidden_as_often_as_any_other(rotation):
    n, size = 4000, 16
    rows = zip(
        *drawn(grid_mask.build(GridMask(probability=1.0, rise_epochs=0, rotation=rotation)), n, size), strict=True
    )
    often = np.mean([mask_of(size, *row) for row in rows], axis=0)
    assert np.abs(often - 0.25).max() < 4.5 * np.sqrt(0.25 * 0.75 / n)


@pytest.mark.parametrize(
    ("size", "least", "most"), [(224, 96, 224), (448, 192, 448), (112, 48, 112), (32, 14, 32)]
)
def test_distances_are_even_over_the_range_scaled_to_the_images_size(size, least, most):
    n = 40_000
    tile, _ratio, angle, shift_x, shift_y = drawn(grid_mask.build(GridMask()), n, size)
    assert tile.dtype == np.int32
    assert (tile.min(), tile.max()) == (least, most)
    counts = np.bincount(tile - least)
    assert np.abs(counts - n / len(counts)).max() < 5 * np.sqrt(n / len(counts))
    parts = [angle / (2 * np.pi), shift_x / tile, shift_y / tile]
    assert np.abs(np.corrcoef([*parts, tile]) - np.eye(4)).max() < 4.5 / np.sqrt(n)
    for part in parts:
        assert part.dtype in (np.float32, np.float64)
        assert 0 <= part.min() <= part.max() <= 1
        assert np.abs(np.histogram(part, 20, (0, 1))[0] - n / 20).max() < 5 * np.sqrt(n / 20)


def test_the_grid_does_not_depend_on_batch_size_threads_or_start(assert_steady):
    grid = grid_mask.build(GridMask(rise_epochs=1))
    assert_steady([("flip/0", Flip(0.5)), ("grid/0", grid)])
    whole, alone = drawn(grid, 50, 32, epoch=1), drawn(grid, 1, 32, epoch=1, first=33)
    assert all(np.array_equal(one[33], other[0]) for one, other in zip(whole, alone, strict=True))


def test_a_range_that_falls_is_refused():
    with pytest.raises(UserError, match=r"grid_mask: unit = \[9, 8\] must rise"):
        grid_mask.build(GridMask(unit=(9, 8)))
