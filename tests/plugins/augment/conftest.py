"""Images that go through the real pipeline unresized, so that only the augmentation changes them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from imgcls.data import index as indexing
from imgcls.data.draws import Draws
from imgcls.data.loader import training_batches
from imgcls.data.order import Order
from imgcls.data.pipeline import Machine, Training
from imgcls.data.source import Source
from imgcls.plan import Format

SEED = 4


@pytest.fixture
def pixels_index():
    """Make an index of random pixels."""

    def make(channels, n=12, size=32):
        pixels = np.random.default_rng(1).integers(0, 256, (n, size, size, channels)).astype(np.uint8)
        return indexing.build(Source.from_pixels(pixels, np.arange(n) % 3, "abc"), Path("unused"))

    return make


@pytest.fixture
def trained():
    """Run the pipeline; return each sample's image, uint8 HWC, by (epoch, sample)."""

    def run(index, steps, batch_size=5, threads=1, epochs=2, start=0):
        size, channels = index.pixels.shape[2:]
        # a mean colour for what is hidden, and a deviation that leaves grey levels as they are
        levels = (117,) if channels == 1 else (124, 116, 104)
        mean = tuple(level / 255 for level in levels)
        form = Format(size, channels, mean, (1 / 255,) * channels, size, "bilinear")
        order = Order(len(index), batch_size, epochs=epochs, seed=SEED)
        machine = Machine(device_id=None, threads=threads, prefetch=2, decode="auto")
        found = {}
        for batch in training_batches(Training(index, form, None, steps, SEED), order, start, 0, 1, machine):
            for sample, image in zip(batch.place.samples.tolist(), batch.images.numpy(), strict=True):
                pixels = image.transpose(1, 2, 0) + levels
                found[batch.place.epoch, sample] = np.rint(pixels).astype(np.uint8)
        return found

    return run


@pytest.fixture
def assert_steady(trained, pixels_index):
    """Check that images do not depend on batch size, threads, or the step the pipeline started at."""

    def check(steps, size=32):
        made = pixels_index(3, size=size)
        found = trained(made, steps)
        late = trained(made, steps, start=2)
        assert 0 < len(late) < len(found)
        for other in (trained(made, steps, 12), trained(made, steps, 1, threads=2)):
            assert found.keys() == other.keys()
            assert all(np.array_equal(found[key], other[key]) for key in found)
        assert all(np.array_equal(found[key], late[key]) for key in late)
        changed = [not np.array_equal(image, made.pixels[sample]) for (_, sample), image in found.items()]
        assert any(changed), "steps that change nothing prove nothing"

    return check


# ---- photographs, and Pillow's results for them -----------------------------------------------------------

WALLPAPERS = Path("/usr/share/wallpapers")


def photograph(number, size):
    """A real photograph or drawing of Debian's, else a gradient with noise, some of them dark or pale."""
    files = sorted(WALLPAPERS.rglob("*.jpg"), key=lambda path: (path.stat().st_size, path))
    if len(files) >= 64:
        with Image.open(files[2 * number]) as image:
            image.draft("RGB", (2 * size, 2 * size))
            return ImageOps.fit(image.convert("RGB"), (size, size), Image.LANCZOS)
    generator = np.random.default_rng(number)
    y, x = np.mgrid[:size, :size] / size
    planes = [a * y + b * x for a, b in generator.uniform(-1, 1, (3, 2))]
    noisy = np.stack(planes, axis=-1) + generator.normal(0.5, 0.1, (size, size, 3))
    low, high = sorted(generator.uniform(0, 255, 2))
    return Image.fromarray((low + np.clip(noisy, 0, 1) * (high - low)).astype(np.uint8))


@pytest.fixture
def photos_index():
    """Make an index of photographs."""

    def make(channels=3, n=12, size=64):
        images = [np.asarray(photograph(i, size).convert("L" if channels == 1 else "RGB")) for i in range(n)]
        pixels = np.stack(images).reshape(n, size, size, channels)
        return indexing.build(Source.from_pixels(pixels, np.arange(n) % 3, "abc"), Path("unused"))

    return make


@pytest.fixture
def draws_of():
    """Return the random numbers of one sample, or of the first n, as a stream of the pipeline has them."""

    def make(stream, samples, epoch=0, seed=SEED):
        samples = np.arange(samples) if isinstance(samples, int) else np.array(samples)
        return Draws(seed, epoch, samples, stream)

    return make


def bilinear_or_nearest(image, matrix, fill, interpolation):
    fill = (fill,) * len(image.getbands())
    kind = Image.NEAREST if interpolation == "nearest" else Image.BILINEAR
    entries = np.asarray(matrix, np.float64).ravel().tolist()
    return image.transform(image.size, Image.AFFINE, entries, kind, fillcolor=fill)


def in_yiq(image, degrees):
    """Turn the plane of I and Q (NTSC, 1953) about the axis of luma."""
    to_yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
    angle = np.radians(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), np.sin(angle)], [0, -np.sin(angle), np.cos(angle)]])
    turned = np.asarray(image) @ (np.linalg.inv(to_yiq) @ turn @ to_yiq).T
    return Image.fromarray(np.clip(np.rint(turned), 0, 255).astype(np.uint8))


def gaussian(image, sigma):
    """Convolve with a Gaussian of radius ceil(3 sigma), the image mirrored without its outermost pixels."""
    radius = int(np.ceil(3 * sigma))
    weights = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    blurred = np.asarray(image, np.float64)
    for axis in (0, 1):
        width = [(radius, radius) if i == axis else (0, 0) for i in range(blurred.ndim)]
        padded = np.pad(blurred, width, mode="reflect")
        parts = [np.take(padded, range(i, i + image.size[1 - axis]), axis) for i in range(2 * radius + 1)]
        blurred = sum(w * part for w, part in zip(weights, parts, strict=True))
    return Image.fromarray(np.rint(blurred).astype(np.uint8))


def spread(image):
    """Pillow's ImageOps.equalize without rounding the pixels of a level: by the share of darker pixels."""
    pixels = np.asarray(image).reshape(*image.size, -1)
    channels = []
    for plane in np.moveaxis(pixels, 2, 0):
        counts = np.bincount(plane.ravel(), minlength=256)
        darker, others = np.cumsum(counts) - counts, plane.size - counts[plane.max()]
        channels.append(plane if others == 0 else np.rint(255 * darker / others)[plane])
    return Image.fromarray(np.stack(channels, axis=-1).squeeze().astype(np.uint8))


@pytest.fixture
def by_pillow():
    """Apply one elementary operation to an array as Pillow does, or as NumPy does what Pillow has not."""

    def apply(kind, value, matrix, pixels, fill=128, interpolation="nearest"):
        image = Image.fromarray(np.squeeze(pixels, 2) if pixels.shape[2] == 1 else pixels)
        value = float(value)
        made = {
            "keep": lambda: image,
            "warp": lambda: bilinear_or_nearest(image, matrix, fill, interpolation),
            "brightness": lambda: ImageEnhance.Brightness(image).enhance(value),
            "contrast": lambda: ImageEnhance.Contrast(image).enhance(value),
            "color": lambda: ImageEnhance.Color(image).enhance(value),
            "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(value),
            "posterize": lambda: ImageOps.posterize(image, bin(int(value)).count("1")),
            "solarize": lambda: ImageOps.solarize(image, value),
            "invert": lambda: ImageOps.invert(image),
            "autocontrast": lambda: ImageOps.autocontrast(image),
            "equalize": lambda: spread(image),
            "grayscale": lambda: image.convert("L").convert(image.mode),
            "hue": lambda: in_yiq(image, value),
            "blur": lambda: gaussian(image, value),
        }[kind]()
        return np.asarray(made).reshape(pixels.shape)

    return apply


# grey levels at most, and share of pixels that may differ more
TOLERANCE = dict.fromkeys(("keep", "posterize", "solarize", "invert"), (0, 0)) | {"warp": (0, 0.0005)}


@pytest.fixture
def in_order(by_pillow):
    """Apply operations one after the other: (kind, value, matrix) each."""

    def apply(steps, pixels, **options):
        for kind, value, matrix in steps:
            pixels = by_pillow(kind, value, matrix, pixels, **options)
        return pixels

    return apply


@pytest.fixture
def assert_near():
    """Compare images in grey levels, to what the operation's definition leaves open."""

    def check(found, expected, kind):
        difference = np.abs(found.astype(int) - expected)
        most, share = TOLERANCE.get(kind, (1, 0))
        assert (difference > most).mean() <= share, f"{kind}: differs by up to {difference.max()}"

    return check
