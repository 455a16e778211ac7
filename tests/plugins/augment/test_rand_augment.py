"""RandAugment: fourteen operations come alike, with the magnitude asked for, and look as Pillow's."""

import math

import numpy as np
import pytest

from imgcls import Augmentation
from imgcls_augment import rand_augment
from imgcls_augment.options import RandAugment

N = 28_000


def built(**options):
    return rand_augment.build(RandAugment(**options))


def names(layers, kind, matrix):
    """Name the fourteen operations from what was drawn."""
    angle, shear_y = matrix[:, 0, 0] != 1, matrix[:, 1, 0] != 0
    geometric = np.select(
        [angle, shear_y, matrix[:, 0, 1] != 0, matrix[:, 0, 2] != 0, matrix[:, 1, 2] != 0],
        ["rotate", "shear_y", "shear_x", "translate_x", "translate_y"],
        "none",
    )
    kinds = np.array(layers.one_of.kinds)[kind]
    return np.where(kinds == "warp", geometric, kinds)


def test_each_of_fourteen_operations_comes_alike_in_each_layer(draws_of):
    layers = built(layers=3)
    drawn = layers.draw(draws_of("a", N), 64)
    assert len(drawn) == 9
    found = [names(layers, drawn[3 * i], drawn[3 * i + 2]) for i in range(3)]
    for layer in found:
        which, counts = np.unique(layer, return_counts=True)
        assert set(which) == {
            "keep", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "color",
            "contrast", "sharpness", "posterize", "solarize", "autocontrast", "equalize",
        }  # fmt: skip
        assert ((counts - N / 14) ** 2 / (N / 14)).sum() < 34.5  # chi-square of 13 degrees, p = 0.001
    assert (found[0] == found[1]).mean() == pytest.approx(
        1 / 14, abs=0.01
    )  # the layers know nothing of each other


def test_signs_come_evenly(draws_of):
    layers = built(layers=1)
    kind, value, matrix = layers.draw(draws_of("a", N), 64)
    found = names(layers, kind, matrix)
    for name, strength in (
        ("brightness", value - 1), ("color", value - 1), ("contrast", value - 1), ("sharpness", value - 1),
        ("shear_x", matrix[:, 0, 1]), ("shear_y", matrix[:, 1, 0]), ("translate_x", matrix[:, 0, 2]),
        ("translate_y", matrix[:, 1, 2]), ("rotate", matrix[:, 1, 0]),
    ):  # fmt: skip
        mine = strength[found == name]
        assert len(np.unique(np.abs(mine).round(5))) == 1, f"{name}: one magnitude"
        assert (mine > 0).mean() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(len(mine))), name


def test_magnitudes_scatter_as_asked_and_stay_within_the_scale(draws_of):
    layers = built(layers=1, magnitude=15, magnitude_std=3)
    kind, value, matrix = layers.draw(draws_of("a", N), 64)
    found = names(layers, kind, matrix)
    magnitude = np.concatenate([
        np.abs(value[found == "brightness"] - 1) / 0.9 * 30, np.abs(matrix[found == "shear_x", 0, 1]) / 0.3 * 30,
        (255 - value[found == "solarize"]) / 255 * 30,
    ])  # fmt: skip
    assert magnitude.mean() == pytest.approx(15, abs=0.15)
    assert magnitude.std() == pytest.approx(3, abs=0.12)
    assert (np.abs(magnitude - 15) < 3).mean() == pytest.approx(0.683, abs=0.025)
    kind, value, matrix = built(layers=1, magnitude=28, magnitude_std=10).draw(draws_of("a", N), 64)
    solarized = value[names(layers, kind, matrix) == "solarize"]
    assert solarized.min() == 0  # cut off at the greatest magnitude
    assert solarized.max() <= 255
    assert (solarized == 0).mean() == pytest.approx(0.42, abs=0.05)


def test_not_increasing_is_the_scale_of_the_first_code(draws_of):
    layers = built(layers=1, increasing=False, magnitude=30)
    kind, value, matrix = layers.draw(draws_of("a", 4000), 64)
    found = names(layers, kind, matrix)
    for name, expected in (("solarize", 256), ("posterize", 255), ("color", 1.9), ("sharpness", 1.9)):
        assert np.allclose(value[found == name], expected), name
    assert {-0.3, 0.3} == set(np.round(matrix[found == "shear_y", 1, 0].tolist(), 5))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("increasing", "magnitude", "fill"), [(True, 9, 128), (True, 30, 0), (False, 12, 255)])
def test_a_layer_is_pillows(
    channels, increasing, magnitude, fill, photos_index, trained, draws_of, by_pillow, assert_near
):
    index = photos_index(channels)
    layers = built(layers=1, increasing=increasing, magnitude=magnitude, fill=fill)
    seen = set()
    for (epoch, sample), image in trained(index, [("r", layers)], epochs=6).items():
        (kind,), (value,), (matrix,) = layers.draw(draws_of("r", [sample], epoch), 64)
        kind = layers.one_of.kinds[kind]
        seen.add(kind)
        assert_near(image, by_pillow(kind, value, matrix, index.pixels[sample], fill=fill), kind)
    assert len(seen) == 10


class Layer(Augmentation):
    """One layer of several, alone."""

    def __init__(self, layers, number):
        self.layers, self.part = layers, slice(3 * number, 3 * number + 3)

    def draw(self, draws, size):
        return self.layers.draw(type(draws)(draws.seed, draws.epoch, draws.samples, "r"), size)[self.part]

    def apply(self, graph, *parameters):
        self.layers.apply(graph, *parameters)


def test_layers_are_applied_one_after_the_other(photos_index, trained):
    index = photos_index(3)
    layers = built(layers=3, magnitude=20, magnitude_std=5)
    together = trained(index, [("r", layers)])
    one_by_one = trained(index, [(f"l/{i}", Layer(layers, i)) for i in range(3)])
    assert all(np.array_equal(together[key], one_by_one[key]) for key in together)
    backwards = trained(index, [(f"l/{i}", Layer(layers, i)) for i in (2, 1, 0)])
    assert not all(np.array_equal(together[key], backwards[key]) for key in together)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_an_image_is_the_same_in_any_batch_on_any_thread(interpolation, assert_steady):
    assert_steady([("r", built(interpolation=interpolation, magnitude_std=3))])
