"""The evaluation's pictures against Pillow's, over all kinds of sizes, files and orientations."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imgcls.data import geometry, reference
from imgcls.data import index as indexing
from imgcls.data.loader import evaluation_batches
from imgcls.data.pipeline import Evaluation, Machine
from imgcls.data.reference import Difference
from imgcls.data.source import Source
from imgcls.plan import Format

CPU = Machine(device_id=None, threads=2, prefetch=2, decode="auto")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = [
    (1, 1), (1, 2), (2, 3), (5, 5), (1, 500), (500, 1), (7, 500), (64, 64), (73, 73), (74, 73), (72, 73), (97, 131),
    (281, 500), (500, 281), (255, 509), (509, 255), (427, 640), (480, 641), (333, 334), (1000, 999), (2880, 5120),
]  # fmt: skip


def form_of(channels=3, size=64, resize=73, interpolation="bilinear"):
    return Format(size, channels, MEAN[:channels], STD[:channels], resize, interpolation)


def picture(height, width, seed=0):
    """Noise at three scales: edges and flat parts in all colours, the brightest and the darkest too."""
    random, made = np.random.default_rng(seed), np.zeros((height, width, 3))
    for cells in (3, 17, 99):
        small = np.clip(128 + 90 * random.normal(size=(cells, cells, 3)), 0, 255).astype(np.uint8)
        made += np.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC), float) - 128
    return Image.fromarray(np.clip(made + 128, 0, 255).astype(np.uint8))


def indexed(root, names):
    return indexing.build(Source.from_files(root, names, [0] * len(names), ["a"]), root / "cache")


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    root, names = tmp_path_factory.mktemp("sizes"), []
    for number, (height, width) in enumerate(SIZES):
        names.append(f"{height}x{width}.{'png' if number % 2 else 'jpg'}")
        picture(height, width, number).save(root / names[-1], quality=92, compress_level=1)
    return indexed(root, names)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """Return files of every mode and orientation that DALI decodes, but for 16 bits and several pictures."""
    root, image = tmp_path_factory.mktemp("kinds"), picture(150, 231, 77)
    grey, palette = image.convert("L"), image.convert("P", palette=Image.Palette.ADAPTIVE)
    seen_through = image.copy()
    seen_through.putalpha(Image.fromarray(np.tile(np.arange(231) % 256, (150, 1)).astype(np.uint8)))
    files = {
        "cmyk.jpg": image.convert("CMYK"), "cmyk.tiff": image.convert("CMYK"), "grey.jpg": grey, "grey.ppm": grey,
        "palette.png": palette, "bits.png": image.convert("1"), "grey_alpha.png": grey.convert("LA"),
        "alpha.png": seen_through, "alpha.webp": seen_through, "alpha.tiff": seen_through, "x.webp": image,
        "x.bmp": image, "x.jp2": image, "x.ppm": image, "x.tiff": image, "x.png": image,
    }  # fmt: skip
    for name, made in files.items():
        made.save(root / name)
    palette.save(root / "palette_alpha.png", transparency=3)
    names = [*files, "palette_alpha.png"]
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for ending in ("jpg", "png", "webp", "tiff"):
            names.append(f"turned_{orientation}.{ending}")
            image.save(root / names[-1], exif=exif)
    return indexed(root, names)


def differences(index, form, theirs=None):
    """Return each file's difference by name; ``theirs`` is the reference's format where it is another."""
    found = np.concatenate([x.numpy() for x, _ in evaluation_batches(Evaluation(index, form), 8, 0, 1, CPU)])
    made = {}
    for sample, mine in enumerate(reference.levels(found, form)):
        expected = reference.evaluated(reference.original(index, sample, form.channels), theirs or form)
        difference = made[index.path(sample).rpartition("/")[2]] = Difference()
        difference.add(sample, mine, expected)
    return made


def assert_all(made, most, mean):
    for name, difference in made.items():
        assert difference.largest <= most, name
        assert difference.mean < mean, name


@pytest.mark.parametrize(("interpolation", "most"), [("bilinear", 1), ("bicubic", 2)])
@pytest.mark.parametrize(("size", "resize"), [(64, 73), (64, 64), (33, 100)])
def test_images_of_all_sizes_are_pillows_to_the_level(sizes, interpolation, most, size, resize):
    assert_all(differences(sizes, form_of(3, size, resize, interpolation)), most, 0.05)


@pytest.mark.parametrize(("interpolation", "most"), [("bilinear", 1), ("bicubic", 2)])
def test_files_of_all_kinds_and_orientations_are_pillows_to_the_level(kinds, interpolation, most):
    assert_all(differences(kinds, form_of(interpolation=interpolation)), most, 0.05)


def test_grey_is_pillows_where_the_file_holds_it_and_a_level_off_where_dali_computes_it(kinds):
    made = differences(kinds, form_of(1))
    assert_all(made, 2, 0.65)
    exact = ("grey.jpg", "grey.ppm", "grey_alpha.png", "bits.png", *(f"turned_{i}.jpg" for i in range(1, 9)))
    assert_all({name: made[name] for name in exact}, 1, 0.05)


# DALI's own resize: one that imgcls does not state bounds for
def test_lanczos_is_near_pillows(sizes):
    made = differences(sizes, form_of(interpolation="lanczos"))
    large = {name: one for name, one in made.items() if min(map(int, name.partition(".")[0].split("x"))) > 64}
    assert_all(large, 20, 0.6)


def test_16_bits_are_divided_by_257_and_rounded_where_pillow_would_clip(tmp_path):
    values = np.linspace(0, 65535, 80 * 90).reshape(80, 90).astype(np.uint16)
    for name in ("deep.png", "deep.tiff", "deep.pgm"):
        Image.fromarray(values).save(tmp_path / name)
    made = indexed(tmp_path, ["deep.png", "deep.tiff", "deep.pgm"])
    for channels in (1, 3):
        assert_all(differences(made, form_of(channels)), 1, 0.05)
    shown = np.asarray(reference.original(made, 0, 1))
    assert np.array_equal(shown, np.rint(values / 257).astype(np.uint8))
    assert np.asarray(Image.open(tmp_path / "deep.png").convert("L")).mean() > shown.mean() + 100


def test_transparency_is_dropped_and_not_blended(tmp_path):
    colour = Image.new("RGBA", (90, 80), (200, 100, 50, 0))
    colour.save(tmp_path / "clear.png")
    made = indexed(tmp_path, ["clear.png"])
    assert reference.original(made, 0, 3).getpixel((5, 5)) == (200, 100, 50)
    assert_all(differences(made, form_of()), 0, 0.01)


def test_an_orientation_in_xmp_alone_counts_for_neither(tmp_path):
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )
    picture(80, 90).save(tmp_path / "x.jpg", xmp=xmp)
    made = indexed(tmp_path, ["x.jpg"])
    assert reference.original(made, 0, 3).size == (90, 80)
    assert_all(differences(made, form_of()), 1, 0.05)


def test_of_several_pictures_in_a_file_the_first_is_taken(tmp_path):
    first, second = picture(80, 90, 1), picture(80, 90, 2)
    first.save(tmp_path / "two.tiff", save_all=True, append_images=[second])
    made = indexed(tmp_path, ["two.tiff"])
    assert np.array_equal(np.asarray(reference.original(made, 0, 3)), np.asarray(first))
    assert_all(differences(made, form_of()), 1, 0.05)


def test_pixels_in_memory_are_compared_as_files_are():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 20, 31, 3)).astype(np.uint8)
    made = indexing.build(Source.from_pixels(pixels, [0] * 5, ["a"]), None)
    for channels, most in ((3, 1), (1, 2)):
        for sample in range(5):
            assert reference.original(made, sample, channels).size == (31, 20)
        assert_all(differences(made, form_of(channels, 28, 32)), most, 0.05)


# ---- the comparison finds what is wrong --------------------------------------------------------------------


def worst_of(made):
    return max(one.largest for one in made.values())


def test_a_long_side_rounded_instead_of_cut_off_is_found(sizes, monkeypatch):
    def rounded(sizes, target):
        return np.maximum(np.rint(target * sizes / sizes.min(axis=1, keepdims=True)), target).astype(np.int64)

    monkeypatch.setattr(geometry, "shorter_side", rounded)
    assert worst_of(differences(sizes, form_of())) > 10


def test_a_crop_rounded_half_up_is_found(sizes, monkeypatch):
    monkeypatch.setattr(geometry, "centre", lambda sizes, crop: np.floor((sizes - crop + 1) / 2).astype(np.int64))
    assert worst_of(differences(sizes, form_of())) > 10


def test_a_resize_without_antialiasing_is_found(sizes, monkeypatch):
    from imgcls.data import resize

    whole = resize.interpolate
    monkeypatch.setattr(resize, "interpolate", lambda x, size, mode, antialias: whole(x, size, mode=mode))
    assert worst_of(differences(sizes, form_of())) > 10


def test_another_size_or_interpolation_is_found(sizes):
    assert worst_of(differences(sizes, form_of(), form_of(resize=74))) > 10
    assert worst_of(differences(sizes, form_of(), form_of(interpolation="bicubic"))) > 10


def test_what_a_model_is_given_by_pillow_is_what_grey_levels_come_from():
    form = form_of()
    made = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    given = reference.normalised(made, form)
    assert given.dtype == np.float32
    assert given.shape == (3, 64, 64)
    assert np.allclose(given[1], (made[..., 1] / 255 - 0.456) / 0.224, atol=1e-5)
    assert np.abs(reference.levels(given[None], form)[0] - made).max() < 1e-3


def test_differences_add_up_over_images():
    made = Difference()
    black = np.zeros((2, 2, 3), np.uint8)
    made.add(4, black.astype(float), black)
    assert (made.images, made.largest, made.worst, made.share) == (1, 0, -1, 0)
    other = black.astype(float)
    other[0, 1, 2] = 3
    other[0, 1, 0] = 1
    made.add(5, other, black)
    made.add(6, black + 0.00001, black)
    assert (made.images, made.largest, made.worst) == (3, 3, 5)
    assert made.mean == pytest.approx(4 / 36)
    assert made.share == pytest.approx(1 / 12)
