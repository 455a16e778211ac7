"""Each elementary operation is Pillow's, in grey levels; and each image gets the one that was chosen for it."""

import numpy as np
import pytest
from nvidia.dali import Pipeline, backend, fn, types
from PIL import Image, ImageOps

from imgcls import Augmentation
from imgcls_augment.one_of import matrices
from imgcls_augment.operations import Operations, _blend

FACTORS = [0.0, 0.1, 0.5, 1.0, 1.27, 1.9, 2.0]
CASES = {
    "keep": [0.0],
    "brightness": FACTORS,
    "contrast": FACTORS,
    "color": FACTORS,
    "sharpness": FACTORS,
    "posterize": [128, 192, 224, 240, 248, 252, 254, 255],
    "solarize": [0, 1, 77.5, 128, 178.5, 255, 256],
    "invert": [0],
    "autocontrast": [0],
    "equalize": [0],
    "grayscale": [0],
    "blur": [0.1, 0.5, 1.0, 2.0, 5.0],
}
EYE = np.eye(2, 3)


class Given(Augmentation):
    """Apply the operations of a list, with the values of another, by the number of the sample."""

    def __init__(self, kinds, values, matrix=EYE, fill=128, interpolation="nearest", seed=4):
        self.names = sorted(set(kinds))
        self.kinds = np.array([self.names.index(kind) for kind in kinds], np.int32)
        self.values = np.array(values, np.float32)
        self.matrix = np.array(matrix, np.float32)
        self.fill, self.interpolation = fill, interpolation

    def draw(self, draws, size):
        which = draws.samples % len(self.kinds)
        return self.kinds[which], self.values[which], np.tile(self.matrix, (len(draws), 1, 1))

    def apply(self, graph, *parameters):
        operations = Operations(graph.channels, self.fill, self.interpolation)
        graph.images = operations.choose(self.names, parameters[0], graph.images, *parameters[1:])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", CASES)
def test_an_operation_is_pillows(kind, channels, photos_index, trained, by_pillow, assert_near):
    index = photos_index(channels)
    for value in CASES[kind]:
        found = trained(index, [("x", Given([kind], [value]))], epochs=1)
        assert len(found) == len(index)
        for (_, sample), image in found.items():
            assert_near(image, by_pillow(kind, value, EYE, index.pixels[sample]), kind)


def test_operations_are_pillows_at_224_pixels(photos_index, trained, by_pillow):
    index = photos_index(3, n=8, size=224)
    for kind in ("equalize", "autocontrast", "contrast", "sharpness"):
        for (_, sample), image in trained(index, [("x", Given([kind], [1.9]))], epochs=1).items():
            difference = np.abs(image.astype(int) - by_pillow(kind, 1.9, EYE, index.pixels[sample]))
            assert difference.max() <= 1, kind


@pytest.mark.parametrize(("size", "most"), [(224, 3), (64, 16)])
def test_equalize_differs_from_pillows_by_its_rounding_of_the_step(size, most, photos_index, trained):
    index = photos_index(3, n=8, size=size)
    for (_, sample), image in trained(index, [("x", Given(["equalize"], [0]))], epochs=1).items():
        expected = np.asarray(ImageOps.equalize(Image.fromarray(index.pixels[sample])))
        assert np.abs(image.astype(int) - expected).max() <= most


def test_a_channel_of_one_level_is_not_stretched_or_equalized(photos_index, trained):
    index = photos_index(3)
    index.pixels[...] = np.arange(len(index))[:, None, None, None] * 23 % 256
    index.pixels[..., 2] = index.pixels[..., 0] % 7  # another level
    for kind in ("autocontrast", "equalize"):
        for (_, sample), image in trained(index, [("x", Given([kind], [0]))], epochs=1).items():
            assert np.array_equal(image, index.pixels[sample]), kind


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fill", [0, 128, 255])
@pytest.mark.parametrize(("operation", "strength"), [
    ("translate_x", 30), ("translate_x", -7.9), ("translate_y", 64), ("translate_y", -1), ("shear_x", 0.27),
    ("shear_y", -0.93), ("rotate", 17.0), ("rotate", -90.0), ("rotate", 133.3),
])  # fmt: skip
def test_a_geometric_operation_is_pillows(
    operation, strength, fill, channels, photos_index, trained, by_pillow, assert_near
):
    index = photos_index(channels)
    (matrix,) = matrices(operation, np.array([strength]), 64)
    given = Given(["warp"], [0], matrix, fill)
    for (_, sample), image in trained(index, [("x", given)], epochs=1).items():
        expected = by_pillow("warp", 0, matrix, index.pixels[sample], fill)
        if operation.startswith("translate"):
            assert np.array_equal(image, expected)
        assert_near(image, expected, "warp")


@pytest.mark.parametrize(("operation", "strength"), [("shear_x", 0.27), ("rotate", 17.0), ("translate_y", 5)])
def test_bilinear_reading_is_pillows_inside_the_image(operation, strength, photos_index, trained, by_pillow):
    """Within 2 grey levels. At the border Pillow repeats the outermost pixels, and DALI blends with the fill."""
    index = photos_index(3)
    (matrix,) = matrices(operation, np.array([strength]), 64)
    y, x = np.mgrid[:64, :64] + 0.5
    place = np.stack([x, y, np.ones_like(x)], axis=-1) @ matrix.T
    inside = ((place >= 1) & (place <= 63)).all(axis=-1)
    outside = ((place < -1) | (place > 65)).any(axis=-1)
    assert inside.mean() > 0.6
    given = Given(["warp"], [0], matrix, 77, "bilinear")
    for (_, sample), image in trained(index, [("x", given)], epochs=1).items():
        expected = by_pillow("warp", 0, matrix, index.pixels[sample], 77, "bilinear").astype(int)
        assert np.abs(image - expected)[inside].max() <= 2
        assert (image[outside] == 77).all()


@pytest.mark.parametrize(("operation", "strength", "from_to"), [
    ("translate_x", 10.7, ((20, 40), (20, 30))), ("translate_y", -10.7, ((20, 40), (30, 40))),
    ("rotate", 90.0, ((20, 40), (23, 20))),  # counter-clockwise: what is right of the top comes to the left
    ("shear_x", 0.5, ((20, 40), (20, 30))), ("shear_y", 0.5, ((40, 20), (30, 20))),
])  # fmt: skip
def test_a_matrix_moves_a_pixel_to_where_it_should_go(operation, strength, from_to, photos_index, trained):
    index = photos_index(1, n=1)
    (y, x), target = from_to
    index.pixels[...] = 0
    index.pixels[0, y, x] = 255
    (matrix,) = matrices(operation, np.array([strength]), 64)
    (image,) = trained(index, [("x", Given(["warp"], [0], matrix, 0))], epochs=1).values()
    place = np.argwhere(image[..., 0])
    assert np.abs(place - target).max(axis=1).min() <= 1


def test_hue_is_turned_in_yiq(photos_index, trained, by_pillow):
    index = photos_index(3)
    for degrees in (-180.0, -36.0, 0.0, 18.0, 90.0):
        for (_, sample), image in trained(index, [("x", Given(["hue"], [degrees]))], epochs=1).items():
            difference = np.abs(image.astype(int) - by_pillow("hue", degrees, EYE, index.pixels[sample]))
            assert difference.max() <= 2
            assert difference.mean() < 0.1


def test_each_image_gets_its_own_operation_whatever_its_batch(photos_index, trained, by_pillow, assert_near):
    kinds = ["invert", "keep", "brightness", "warp", "solarize", "contrast", "equalize", "color", "sharpness"]
    kinds += ["posterize", "autocontrast", "blur"]
    values = [0, 0, 0.5, 0, 100, 0.5, 0, 0.2, 1.8, 240, 0, 1.5]
    (matrix,) = matrices("translate_x", np.array([9.0]), 64)
    index = photos_index(3)
    found = trained(index, [("x", Given(kinds, values, matrix))], batch_size=12)
    for (_, sample), image in found.items():
        expected = by_pillow(kinds[sample], values[sample], matrix, index.pixels[sample])
        assert_near(image, expected, kinds[sample])
    for batch_size, threads in ((1, 1), (5, 2), (7, 1)):
        other = trained(index, [("x", Given(kinds, values, matrix))], batch_size, threads)
        assert all(np.array_equal(found[key], other[key]) for key in found)


class Blended(Augmentation):
    """The contrast as it is done on a GPU, here on the CPU."""

    def draw(self, draws, size):
        return (np.linspace(0, 2, 12, dtype=np.float32)[draws.samples],)

    def apply(self, graph, *parameters):
        mean = fn.reductions.mean(Operations(graph.channels)._grey(graph.images), axis_names="HW", keep_dims=True)
        graph.images = _blend(fn.cast(mean, dtype=types.UINT8), graph.images, parameters[0])


def test_the_contrast_of_gpus_is_pillows_too(photos_index, trained, by_pillow, assert_near):
    index = photos_index(3)
    for (_, sample), image in trained(index, [("x", Blended())], epochs=1).items():
        assert_near(image, by_pillow("contrast", 2 * sample / 11, EYE, index.pixels[sample]), "contrast")


def test_every_operator_has_a_gpu_version():
    pipe = Pipeline(batch_size=1, num_threads=1, device_id=None)
    with pipe:
        images, number, value, matrix = (fn.external_source(name=name) for name in "abcd")
        operations, names = Operations(3), [*CASES, "warp", "hue"]
        pipe.set_outputs(operations.choose(names, number, fn.reshape(images, layout="HWC"), value, matrix))
    pipe.build()
    used = {op._op._schema.Name() for op in pipe._ops}
    assert len(used) > 15
    assert used <= set(backend.RegisteredGPUOps())
