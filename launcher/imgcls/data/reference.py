"""What Pillow makes of an image for an evaluation, and how far another result is from it.

Written apart from geometry.py and pipeline.py, in Pillow's own terms, so that a mistake in one shows in the other.
Where Pillow and DALI mean different things by a file, this is the policy, and both keep to it:

- 16 bits a channel, in grey: the value divided by 257 and rounded. Pillow's own conversion clips at 255.
- transparency: dropped, not blended with a background.
- the orientation: EXIF's. Pillow alone would also look for one in XMP.
- grey from a colour JPEG: its luma, which the file holds, not one computed from the decoded colours.
- several pictures in a file: the first.
"""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from imgcls.data.index import Index
from imgcls.plan import Format

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_XMP = ("xmp", "XML:com.adobe.xmp")


def original(index: Index, sample: int, channels: int) -> Image.Image:
    """Return a sample as Pillow decodes it: upright, in mode L for 1 channel, RGB for 3.

    Raises:
        OSError: the file cannot be read, or is no image.
    """
    mode = "L" if channels == 1 else "RGB"
    if index.pixels is not None:
        pixels = index.pixels[sample]
        return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).convert(mode)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about large images and damaged EXIF
        image = Image.open(io.BytesIO(index.read(sample)))
        if mode == "L":
            image.draft("L", image.size)  # of JPEGs only: the luma
        for key in _XMP:
            image.info.pop(key, None)
        return _in_8_bits(ImageOps.exif_transpose(image)).convert(mode)


def _in_8_bits(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image).astype(np.float64) / 257
    return Image.fromarray(np.rint(values).clip(0, 255).astype(np.uint8))


def evaluated(image: Image.Image, form: Format) -> NDArray[np.uint8]:
    """Return the evaluation's picture before normalisation: uint8 (size, size, channels).

    As ``Resize(eval_resize)`` and ``CenterCrop(size)`` of torchvision have it: the longer side is cut off to whole
    pixels, the crop's place rounded half to even.
    """
    width, height = image.size
    longer = form.eval_resize * max(width, height) // min(width, height)
    size = (form.eval_resize, longer) if width <= height else (longer, form.eval_resize)
    resized = image.resize(size, _FILTERS[form.interpolation])
    left, top = (round((side - form.size) / 2) for side in size)
    cut = np.asarray(resized.crop((left, top, left + form.size, top + form.size)))
    return cut[..., None] if cut.ndim == 2 else cut


def normalised(picture: NDArray[np.uint8], form: Format) -> NDArray[np.float32]:
    """Return what a model is given: float32 (channels, height, width)."""
    mean, std = np.array(form.mean), np.array(form.std)
    given: NDArray[np.float32] = ((picture / 255 - mean) / std).transpose(2, 0, 1).astype(np.float32)
    return given


def levels(images: NDArray[np.float32], form: Format) -> NDArray[np.float64]:
    """Return normalised images (n, channels, height, width) as grey levels 0..255, (n, height, width, channels).

    Not rounded to whole levels, so that a mistake in the normalisation stays in sight.
    """
    mean, std = np.array(form.mean), np.array(form.std)
    found: NDArray[np.float64] = 255 * (images.transpose(0, 2, 3, 1).astype(np.float64) * std + mean)
    return found


@dataclass
class Difference:
    """How far images are from the reference, in grey levels, added up image by image.

    Attributes:
        images: compared so far.
        values: of all pixels' channels compared.
        pixels: compared.
        differing: pixels with a channel that is not the same.
        total: sum of the differences of all values.
        largest: of them.
        worst: number of the sample that the largest is in; -1 where none differs.
    """

    images: int = 0
    values: int = 0
    pixels: int = 0
    differing: int = 0
    total: float = 0.0
    largest: float = 0.0
    worst: int = -1

    def add(self, sample: int, found: NDArray[np.float64], expected: NDArray[np.uint8]) -> None:
        """Compare an image with its reference: both (height, width, channels)."""
        apart = np.abs(found - expected).round(3)  # float32's own error is a hundredth of that
        self.images += 1
        self.values += apart.size
        self.pixels += apart.shape[0] * apart.shape[1]
        self.differing += int(np.count_nonzero(apart.any(axis=-1)))
        self.total += float(apart.sum())
        if (largest := float(apart.max())) > self.largest:
            self.largest, self.worst = largest, sample

    @property
    def mean(self) -> float:
        """Mean difference over all values."""
        return self.total / self.values

    @property
    def share(self) -> float:
        """Share of the pixels that differ, in 0..1."""
        return self.differing / self.pixels
