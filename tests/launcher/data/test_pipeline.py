"""What comes out of DALI is what Pillow gives, and depends on the recipe alone."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from imgcls.data import index as indexing
from imgcls.data.augmentation import Augmentation
from imgcls.data.draws import Draws
from imgcls.data.loader import evaluation_batches, training_batches
from imgcls.data.order import Order
from imgcls.data.pipeline import Evaluation, Machine, Training, can_decode
from imgcls.data.source import Source
from imgcls.errors import UserError
from imgcls.plan import Format
from imgcls_augment.horizontal_flip import Flip
from imgcls_augment.random_crop import Shift
from imgcls_augment.random_resized_crop import Region

WALLPAPERS = Path("/usr/share/wallpapers")
CPU = Machine(device_id=None, threads=1, prefetch=2, decode="auto")
# a mean and a deviation that leave grey levels as they are
RGB = Format(64, 3, (0.0,) * 3, (1 / 255,) * 3, 73, "bilinear")
GREY = Format(64, 1, (0.0,), (1 / 255,), 73, "bilinear")
SIZES = [
    (73, 73), (64, 64), (74, 73), (73, 74), (75, 100), (100, 75), (97, 131), (131, 97), (281, 500), (500, 281),
    (427, 640), (480, 641), (255, 509), (40, 57), (57, 40), (20, 20), (30, 311), (311, 30), (9, 200), (333, 334),
    (150, 225), (225, 149), (72, 640), (199, 201), (88, 87),
]  # fmt: skip
FILTERS = {
    "nearest": Image.NEAREST,
    "bilinear": Image.BILINEAR,
    "bicubic": Image.BICUBIC,
    "lanczos": Image.LANCZOS,
}


@pytest.fixture(scope="session")
def photos():
    """Return real photographs, cut and scaled down to all of SIZES."""
    files = sorted(WALLPAPERS.rglob("*.jpg"))
    if len(files) < len(SIZES):
        pytest.skip("Debian's plasma-workspace-wallpapers is not installed: no real JPEGs to try")
    small = sorted(files, key=lambda path: (path.stat().st_size, path))[: 2 * len(SIZES)]
    pictures = []
    for i, (height, width) in enumerate(SIZES):
        with Image.open(small[2 * i % len(small)]) as image:
            image.draft("RGB", (2 * width, 2 * height))
            pictures.append(ImageOps.fit(image.convert("RGB"), (width, height), Image.LANCZOS))
    return pictures


@pytest.fixture(scope="session")
def index(photos, tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    names = []
    for i, image in enumerate(photos):
        names.append(f"{i:02d} ü.jpg")
        image.save(root / names[-1], quality=92, subsampling=(0, 1, 2)[i % 3], progressive=bool(i % 2))
    labels = [i % 5 for i in range(len(names))]
    return indexing.build(Source.from_files(root, names, labels, "abcde"), root / "cache")


def picture(index, sample, mode):
    with Image.open(index.path(sample)) as image:
        return ImageOps.exif_transpose(image).convert(mode)


def reference_evaluation(image, form):
    """torchvision's Resize and CenterCrop, in Pillow."""
    width, height = image.size
    short, long = min(width, height), max(width, height)
    new_long = int(form.eval_resize * long / short)
    size = (form.eval_resize, new_long) if width <= height else (new_long, form.eval_resize)
    image = image.resize(size, FILTERS[form.interpolation])
    left, top = (round((side - form.size) / 2.0) for side in size)
    return as_floats(image.crop((left, top, left + form.size, top + form.size)))


def reference_training(image, start, shape, flip, form):
    (y, x), (h, w) = start.tolist(), shape.tolist()
    image = image.crop((x, y, x + w, y + h)).resize((form.size, form.size), FILTERS[form.interpolation])
    return as_floats(ImageOps.mirror(image) if flip else image)


def as_floats(image):
    pixels = np.asarray(image, np.float64)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def evaluated(index, form, batch_size=8, machine=CPU):
    found = [images for images, _ in evaluation_batches(Evaluation(index, form), batch_size, 0, 1, machine)]
    return torch.cat(found).numpy()


def assert_near(found, expected, most=2, mean=0.02):
    """Compare in grey levels, to the last pixel of the edges."""
    assert found.shape == expected.shape
    difference = np.abs(found.astype(np.float64) - expected)
    assert difference.max() <= most + 1e-3
    assert difference.mean() < mean


def decoded(index, form=RGB):
    """Return the images as the evaluation gives them, and as Pillow does."""
    mode = "L" if form.channels == 1 else "RGB"
    expected = [reference_evaluation(picture(index, i, mode), form) for i in range(len(index))]
    return evaluated(index, form), np.stack(expected)


@pytest.mark.parametrize(("size", "resize"), [(64, 73), (64, 64), (61, 70), (33, 100)])
def test_evaluation_is_pillows_result_for_every_size_and_shape(index, size, resize):
    form = Format(size, 3, (0.0,) * 3, (1 / 255,) * 3, resize, "bilinear")
    assert_near(*decoded(index, form))


# DALI's own grey is not Pillow's to the last bit: facts_dali.md gives a mean of 0.0135, and single pixels beyond
def test_evaluation_in_grey_is_pillows_result(index):
    found, expected = decoded(index, GREY)
    assert found.shape[1] == 1
    assert_near(found, expected, most=13, mean=0.15)
    assert (np.abs(found - expected) > 2.001).mean() < 1e-3


@pytest.mark.parametrize("interpolation", ["nearest", "bicubic", "lanczos"])
def test_other_interpolations_are_pillows_too(index, interpolation):
    form = Format(64, 3, (0.0,) * 3, (1 / 255,) * 3, 73, interpolation)
    found, expected = decoded(index, form)
    assert_near(found, expected)
    bilinear, _ = decoded(index, RGB)
    assert np.abs(bilinear - found).mean() > 0.3


def test_normalisation_subtracts_the_mean_and_divides_by_the_deviation(index):
    form = Format(64, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 73, "bilinear")
    plain = evaluated(index, RGB).astype(np.float64) / 255
    mean, std = (np.array(values).reshape(3, 1, 1) for values in (form.mean, form.std))
    assert np.allclose(evaluated(index, form), (plain - mean) / std, atol=1e-5)


def test_labels_are_those_of_the_images(index):
    for batch_size in (1, 4, 100):
        found = [y for _, y in evaluation_batches(Evaluation(index, RGB), batch_size, 0, 1, CPU)]
        assert torch.cat(found).tolist() == index.labels.tolist()


def saved(root, **images):
    for name, (image, options) in images.items():
        image.save(root / name.replace("__", "."), **options)
    names = [name.replace("__", ".") for name in images]
    return indexing.build(Source.from_files(root, names, [0] * len(names), ["a"]), root / "cache")


def test_every_usual_kind_of_file_is_decoded_as_pillow_does(photos, tmp_path):
    image = photos[4]
    grey = image.convert("L")
    made = saved(
        tmp_path,
        cmyk__jpg=(image.convert("CMYK"), {}),
        grey__jpg=(grey, {}),
        palette__png=(image.convert("P", palette=Image.Palette.ADAPTIVE), {}),
        bits__png=(image.convert("1"), {}),
        greyalpha__png=(grey.convert("LA"), {}),
        bmp__bmp=(image, {}),
        webp__webp=(image, {}),
        tiff__tiff=(image, {}),
        jp2__jp2=(image, {}),
        ppm__ppm=(image, {}),
    )
    found, expected = decoded(made)
    for name, mine, theirs in zip(made.paths, found, expected, strict=True):
        difference = np.abs(mine - theirs)
        assert difference.max() <= 2.001, name
        assert difference.mean() < 0.25, name


def test_a_16_bit_png_keeps_its_upper_byte(tmp_path):
    values = np.linspace(0, 65535, 80 * 90).reshape(80, 90).astype(np.uint16)
    made = saved(tmp_path, deep__png=(Image.fromarray(values), {}))
    expected = reference_evaluation(Image.fromarray(np.rint(values / 257).astype(np.uint8)).convert("RGB"), RGB)
    assert_near(evaluated(made, RGB)[0], expected, mean=0.05)


def test_transparency_is_dropped_not_blended(photos, tmp_path):
    image = photos[5].copy()
    alpha = Image.fromarray(np.tile(np.arange(image.width) % 256, (image.height, 1)).astype(np.uint8))
    image.putalpha(alpha)
    made = saved(tmp_path, alpha__png=(image, {}))
    assert_near(evaluated(made, RGB)[0], reference_evaluation(photos[5], RGB))


@pytest.mark.parametrize("form", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_come_upright_in_evaluation_and_in_training(photos, tmp_path, form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    made = saved(tmp_path, **{f"turned__{form}": (photos[5], {"exif": exif})})
    found, expected = decoded(made)
    assert_near(found, expected)
    crop = Region((0.2, 0.9), (0.5, 2.0))
    order = Order(1, 1, epochs=3, seed=8)
    for batch in training_batches(Training(made, RGB, crop, [], 8), order, 0, 0, 1, CPU):
        start, shape = crop.boxes(Draws(8, batch.place.epoch, np.zeros(1, np.int64), "crop"), made.sizes)
        expected = reference_training(picture(made, 0, "RGB"), start[0], shape[0], False, RGB)
        assert_near(batch.images[0].numpy(), expected, mean=0.25)


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def test_an_orientation_in_xmp_alone_does_not_make_a_good_file_unusable(photos, tmp_path):
    """Pillow falls back to XMP for the orientation, DALI does not: the index must have what DALI decodes."""
    made = saved(tmp_path, xmp__jpg=(photos[5], {"xmp": XMP}))
    assert can_decode(made, 0, 3) is None
    height, width = photos[5].height, photos[5].width
    assert made.sizes.tolist() == [[height, width]]


@pytest.mark.parametrize(("mode", "form"), [("RGB", "DIB"), ("F", "PPM")])
def test_what_dali_cannot_decode_is_refused_when_it_is_indexed(photos, tmp_path, mode, form):
    photos[5].convert(mode).save(tmp_path / "x.bmp", form)
    with pytest.raises(UserError, match=r"x\.bmp"):
        indexing.build(Source.from_files(tmp_path, ["x.bmp"], [0], ["a"]), tmp_path / "cache")


# ---- training ---------------------------------------------------------------------------------------------


def crop_and_flip(index, seed=5, form=RGB):
    return Training(index, form, Region((0.08, 1.0), (3 / 4, 4 / 3)), [("flip/0", Flip(0.5))], seed)


def trained(transform, order, start=0, world=1, machine=CPU, ranks=None):
    """Return each sample's image by (epoch, sample), over all ranks."""
    found = {}
    for rank in range(world) if ranks is None else ranks:
        for batch in training_batches(transform, order, start, rank, world, machine):
            assert len(batch.images) == len(batch.labels) == len(batch.place.samples)
            assert batch.labels.tolist() == transform.index.labels[batch.place.samples].tolist()
            for sample, image in zip(batch.place.samples.tolist(), batch.images, strict=True):
                assert (batch.place.epoch, sample) not in found
                found[batch.place.epoch, sample] = image
    return found


def assert_identical(one, other):
    assert one.keys() == other.keys()
    for key, image in one.items():
        assert torch.equal(image, other[key]), key


@pytest.mark.parametrize("form", [RGB, GREY])
def test_training_is_pillows_crop_of_the_drawn_box_and_flip(index, form):
    transform = crop_and_flip(index, form=form)
    found = trained(transform, Order(len(index), 7, epochs=2, seed=5))
    assert len(found) == 2 * len(index)
    flips = []
    for (epoch, sample), image in found.items():
        one = np.array([sample])
        start, shape = transform.crop.boxes(Draws(5, epoch, one, "crop"), index.sizes[one])
        flips.append(bool(Flip(0.5).draw(Draws(5, epoch, one, "flip/0"), 64)[0][0]))
        source = picture(index, sample, "RGB" if form.channels == 3 else "L")
        expected = reference_training(source, start[0], shape[0], flips[-1], form)
        most, mean = (2, 0.25) if form.channels == 3 else (13, 0.4)
        assert_near(image.numpy(), expected, most, mean)
    assert {True, False} == set(flips)


def test_without_a_crop_training_is_the_evaluations_picture(index):
    found = trained(Training(index, RGB, None, [], 5), Order(len(index), 7, epochs=1, seed=5))
    for (_, sample), expected in zip(sorted(found), evaluated(index, RGB), strict=True):
        assert np.array_equal(found[0, sample].numpy(), expected)


@pytest.mark.parametrize(("threads", "prefetch"), [(1, 1), (2, 1), (1, 5), (2, 2), (2, 5)])
def test_threads_and_prefetching_change_no_bit(index, threads, prefetch):
    order = Order(len(index), 6, epochs=2, seed=5)
    found = trained(crop_and_flip(index), order, machine=Machine(None, threads, prefetch, "cpu"))
    assert_identical(found, trained(crop_and_flip(index), order))
    one, other = evaluated(index, RGB), evaluated(index, RGB, 5, Machine(None, threads, prefetch, "cpu"))
    assert np.array_equal(one, other)


@pytest.mark.parametrize("world", [2, 3, 4])
def test_every_number_of_workers_sees_the_same_pictures_at_the_same_step(index, world):
    order = Order(len(index), 9, epochs=2, seed=5)
    alone = list(training_batches(crop_and_flip(index), order, 0, 0, 1, CPU))
    together = [list(training_batches(crop_and_flip(index), order, 0, r, world, CPU)) for r in range(world)]
    for step, batch in enumerate(alone):
        assert torch.equal(torch.cat([mine[step].images for mine in together]), batch.images)
        assert torch.equal(torch.cat([mine[step].labels for mine in together]), batch.labels)


def test_any_batch_size_gives_a_sample_the_same_picture(index):
    one = trained(crop_and_flip(index), Order(len(index), 4, epochs=2, seed=5))
    assert_identical(one, trained(crop_and_flip(index), Order(len(index), 25, epochs=2, seed=5)))


def test_starting_at_any_step_gives_what_comes_there_anyway(index):
    order = Order(len(index), 6, epochs=2, seed=5)
    whole = list(training_batches(crop_and_flip(index), order, 0, 0, 1, CPU))
    assert len(whole) == order.total_steps == 10
    for start in range(order.total_steps):
        rest = list(training_batches(crop_and_flip(index), order, start, 0, 1, CPU))
        assert len(rest) == order.total_steps - start
        for mine, theirs in zip(rest, whole[start:], strict=True):
            assert mine.place.step == theirs.place.step
            assert torch.equal(mine.images, theirs.images)


def test_epochs_and_seeds_give_other_crops(index):
    found = trained(crop_and_flip(index), Order(len(index), 25, epochs=2, seed=5))
    other = trained(crop_and_flip(index, seed=6), Order(len(index), 25, epochs=2, seed=5))
    # a narrow picture's crop is always its centre
    assert sum(not torch.equal(found[0, i], found[1, i]) for i in range(len(index))) > len(index) - 5
    assert sum(not torch.equal(found[0, i], other[0, i]) for i in range(len(index))) > len(index) - 5


def test_batches_held_on_to_are_not_overwritten_by_later_ones(index):
    order = Order(len(index), 5, epochs=2, seed=5)
    held, copies = [], []
    for batch in training_batches(crop_and_flip(index), order, 0, 0, 1, CPU):
        held.append(batch.images)
        copies.append(batch.images.clone())
    assert all(torch.equal(one, other) for one, other in zip(held, copies, strict=True))


def test_batches_have_the_sizes_of_the_order(index):
    order = Order(len(index), 7, epochs=1, seed=0)  # 25 samples: 6, 6, 6, 7
    sizes = [len(batch.images) for batch in training_batches(crop_and_flip(index), order, 0, 0, 1, CPU)]
    assert sorted(sizes) == [6, 6, 6, 7]
    assert [len(x) for x, _ in evaluation_batches(Evaluation(index, RGB), 8, 0, 1, CPU)] == [8, 8, 8, 1]


@pytest.mark.parametrize("world", [2, 3, 5, 16])
def test_the_workers_evaluation_batches_make_up_the_set(index, world):
    alone = list(evaluation_batches(Evaluation(index, RGB), 8, 0, 1, CPU))
    dealt = [list(evaluation_batches(Evaluation(index, RGB), 8, rank, world, CPU)) for rank in range(world)]
    assert sum(map(len, dealt)) == len(alone)
    for number, (images, labels) in enumerate(alone):
        mine = dealt[number % world][number // world]
        assert torch.equal(mine[0], images)
        assert torch.equal(mine[1], labels)


# ---- augmentations ----------------------------------------------------------------------------------------


def pixels_index(channels=1, n=12, height=16, width=16, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (n, height, width, channels)).astype(np.uint8)
    return indexing.build(Source.from_pixels(pixels, np.arange(n) % 3, "abc"), Path("unused"))


def small(channels, size=16):
    return Format(size, channels, (0.0,) * channels, (1 / 255,) * channels, size, "bilinear")


class Corner(Augmentation):
    """Blacken the upper left 4x4 pixels: something that a mirror does not commute with."""

    def draw(self, draws, size):
        return ()

    def apply(self, graph, *parameters):
        from nvidia.dali import fn

        anchor, shape = [0.0, 0.0], [4.0, 4.0]
        graph.images = fn.erase(graph.images, anchor=anchor, shape=shape, axis_names="HW", fill_value=0)


def blackened(pixels):
    pixels = pixels.copy()
    pixels[..., :4, :4] = 0
    return pixels


AFTER = {
    "flip": lambda x: x[..., ::-1],
    "corner": blackened,
}
MAKE = {"flip": lambda: Flip(1.0), "corner": Corner}


@pytest.mark.parametrize("names", [n for k in (1, 2, 3) for n in itertools.product(("flip", "corner"), repeat=k)])
def test_a_deferred_mirror_keeps_its_place_among_the_augmentations(names):
    made = pixels_index()
    steps = [(f"{name}/{i}", MAKE[name]()) for i, name in enumerate(names)]
    found = trained(Training(made, small(1), None, steps, 0), Order(12, 4, epochs=1, seed=0))
    for (_, sample), image in found.items():
        expected = made.pixels[sample].transpose(2, 0, 1)
        for name in names:
            expected = AFTER[name](expected)
        assert np.array_equal(image.numpy(), expected)


def test_random_crop_shifts_by_what_was_drawn_and_fills_the_rest():
    made = pixels_index(channels=3)
    shift = Shift(4, fill=77)
    found = trained(Training(made, small(3), None, [("shift", shift)], 3), Order(12, 5, epochs=4, seed=3))
    for (epoch, sample), image in found.items():
        (start,) = shift.draw(Draws(3, epoch, np.array([sample]), "shift"), 16)
        y, x = (start[0] + 4).tolist()
        padded = np.pad(made.pixels[sample], ((4, 4), (4, 4), (0, 0)), constant_values=77)
        assert np.array_equal(image.numpy(), padded[y : y + 16, x : x + 16].transpose(2, 0, 1))


def test_a_flip_before_a_random_crop_is_done_before_it():
    made = pixels_index()
    shift = Shift(3, fill=0)
    steps = [("flip", Flip(1.0)), ("shift", shift)]
    found = trained(Training(made, small(1), None, steps, 3), Order(12, 5, epochs=1, seed=3))
    for (epoch, sample), image in found.items():
        (start,) = shift.draw(Draws(3, epoch, np.array([sample]), "shift"), 16)
        y, x = (start[0] + 3).tolist()
        padded = np.pad(made.pixels[sample][:, ::-1, 0], 3)
        assert np.array_equal(image.numpy()[0], padded[y : y + 16, x : x + 16])


# ---- pixels in memory -------------------------------------------------------------------------------------


def test_pixels_of_the_models_own_size_pass_unchanged():
    for channels in (1, 3):
        made = pixels_index(channels)
        assert np.array_equal(evaluated(made, small(channels)), made.pixels.transpose(0, 3, 1, 2))


def test_grey_pixels_fill_all_three_channels():
    made = pixels_index(1)
    found = evaluated(made, small(3))
    assert np.array_equal(found, np.repeat(made.pixels.transpose(0, 3, 1, 2), 3, axis=1))


def test_coloured_pixels_become_pillows_grey():
    made = pixels_index(3)
    expected = [np.asarray(Image.fromarray(one).convert("L")) for one in made.pixels]
    assert_near(evaluated(made, small(1))[:, 0], np.stack(expected), most=1, mean=0.01)


def test_pixels_are_resized_as_files_are():
    made = pixels_index(1, height=20, width=31)
    form = Format(28, 1, (0.0,), (1 / 255,), 32, "bilinear")
    expected = [reference_evaluation(Image.fromarray(one[..., 0]), form) for one in made.pixels]
    assert_near(evaluated(made, form), np.stack(expected))


@pytest.mark.parametrize(("channels", "wanted"), [(1, 1), (3, 3), (1, 3), (3, 1)])
def test_a_region_of_pixels_is_cut_and_resized_as_that_of_a_file(channels, wanted):
    made = pixels_index(channels, height=30, width=40)
    crop = Region((0.1, 1.0), (0.5, 2.0))
    form = small(wanted, 20)
    found = trained(Training(made, form, crop, [], 4), Order(12, 5, epochs=1, seed=4))
    for (epoch, sample), image in found.items():
        one = np.array([sample])
        start, shape = crop.boxes(Draws(4, epoch, one, "crop"), made.sizes[one])
        source = Image.fromarray(made.pixels[sample].squeeze()).convert("L" if wanted == 1 else "RGB")
        expected = reference_training(source, start[0], shape[0], False, form)
        assert_near(image.numpy(), expected, mean=0.3)


# ---- damaged files ----------------------------------------------------------------------------------------


def damaged(photos, root, damage):
    names = [f"{i}.jpg" for i in range(12)]
    for i, name in enumerate(names):
        photos[i].save(root / name)
    made = indexing.build(Source.from_files(root, names, [0] * 12, ["a"]), root / "cache")
    damage(root / "5.jpg")
    return made


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def replace_by_text(path):
    path.write_text("no picture")


def replace_by_another_size(path):
    Image.new("RGB", (11, 7)).save(path)


DAMAGES = [truncate, replace_by_text, replace_by_another_size, Path.unlink, lambda path: path.write_bytes(b"")]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_damaged_since_it_was_indexed_is_named_and_only_it(photos, tmp_path, damage):
    made = damaged(photos, tmp_path, damage)
    order = Order(12, 4, epochs=1, seed=2)
    good = []

    def read_all():
        good.extend(batch.place.step for batch in training_batches(crop_and_flip(made), order, 0, 0, 1, CPU))

    with pytest.raises(UserError) as caught:
        read_all()
    step = next(step for step in range(3) if 5 in order.at(step).samples)
    assert good == list(range(step)), "the batches before the damaged one are good"
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{tmp_path / '5.jpg'}: ")
    assert len(lines) == 2


def test_a_damaged_file_is_named_in_an_evaluation_too(photos, tmp_path):
    made = damaged(photos, tmp_path, truncate)
    with pytest.raises(UserError, match=r"5\.jpg: is damaged or cut off") as caught:
        list(evaluation_batches(Evaluation(made, RGB), 12, 0, 1, CPU))
    assert str(caught.value).count(".jpg") == 1


def test_two_damaged_files_of_a_batch_are_both_named(photos, tmp_path):
    made = damaged(photos, tmp_path, truncate)
    truncate(tmp_path / "7.jpg")
    with pytest.raises(UserError) as caught:
        list(evaluation_batches(Evaluation(made, GREY), 12, 0, 1, CPU))
    named = [line.split(": ")[0] for line in str(caught.value).splitlines()[:-1]]
    assert named == [str(tmp_path / "5.jpg"), str(tmp_path / "7.jpg")]


def test_good_files_are_found_good(index):
    assert [can_decode(index, sample, 3) for sample in range(len(index))] == [None] * len(index)
