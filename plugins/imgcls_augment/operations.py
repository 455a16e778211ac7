"""Elementary operations on images in DALI, each as Pillow defines it, and the choice of one for each image.

Every operator here has a CPU and a GPU version; numbers come from outside, and stay on the CPU where they are
named arguments or decide which images go where. Differences from Pillow in grey levels: brightness, contrast,
color, sharpness and autocontrast at most 1; posterize, solarize, invert and warp by the nearest pixel none;
equalize at most 3 at 224x224 and 16 at 64x64. tests/plugins/augment holds them to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Node = Any  # nvidia.dali.data_node.DataNode; DALI has no types

# DALI rounds to the nearest integer; Pillow's blend cuts off
_CUT_OFF = -0.499


@dataclass(frozen=True)
class Operations:
    """The operations on uint8 HWC images, each a method ``(images, value, ...) -> images``.

    What an operation does not need it takes and leaves aside, so that all can be called alike.

    Attributes:
        channels: 1 or 3.
        fill: grey level of what :meth:`warp` brings in from outside.
        interpolation: of :meth:`warp`, ``"nearest"`` or ``"bilinear"``.
    """

    channels: int
    fill: int = 0
    interpolation: str = "nearest"

    def choose(self, names: Sequence[str], number: Node, images: Node, *parameters: Node) -> Node:
        """Apply to each image the operation of its number among ``names``.

        Args:
            names: of methods.
            number: a scalar int32 for each image, on the CPU.
            images: uint8 HWC.
            parameters: what the operations take after the images, on the CPU.
        """
        return _choose([getattr(self, name) for name in names], 0, number, (images, *parameters))

    def keep(self, images: Node, *_: Node) -> Node:
        """Change nothing."""
        return images

    def warp(self, images: Node, _value: Node, matrix: Node) -> Node:
        """Pillow's ``Image.transform`` with AFFINE: float32 (2, 3), from places in the result to the source's."""
        from nvidia.dali import fn, types

        kind = types.INTERP_NN if self.interpolation == "nearest" else types.INTERP_LINEAR
        return fn.warp_affine(images, matrix=matrix, interp_type=kind, fill_value=self.fill)

    def brightness(self, images: Node, factor: Node, *_: Node) -> Node:
        """Pillow's ``ImageEnhance.Brightness``: blend with black, factor 1 for none of it."""
        from nvidia.dali import fn

        return fn.brightness(images, brightness=factor, brightness_shift=_CUT_OFF / 255)

    def contrast(self, images: Node, factor: Node, *_: Node) -> Node:
        """Pillow's ``ImageEnhance.Contrast``: blend with the mean grey, factor 1 for none of it."""
        from nvidia.dali import fn, types

        mean = fn.reductions.mean(self._grey(images), axis_names="HW", keep_dims=True)
        mean = fn.cast(mean, dtype=types.UINT8)
        if images.device == "gpu":  # nothing that was computed there can be an argument
            return _blend(mean, images, factor)
        shift = ((1 - factor) * mean[0, 0, 0] + _CUT_OFF) / 255
        return fn.brightness(images, brightness=factor, brightness_shift=shift)

    def color(self, images: Node, factor: Node, *_: Node) -> Node:
        """Pillow's ``ImageEnhance.Color``: blend with the grey image, factor 1 for none of it."""
        return images if self.channels == 1 else _blend(self._grey(images), images, factor)

    def sharpness(self, images: Node, factor: Node, *_: Node) -> Node:
        """Pillow's ``ImageEnhance.Sharpness``: blend with the smoothed image; the outermost pixels stay."""
        from nvidia.dali import fn

        # put together here, because a constant array would come for the whole batch, and not for these images
        outer = (1 - factor) * (1 / 13)  # Pillow's ImageFilter.SMOOTH: 5 in the middle, 1 about it, by 13
        row = fn.stack(outer, outer, outer)
        kernel = fn.stack(row, fn.stack(outer, factor + 5 * outer, outer), row)
        inner = fn.filter(images, _beside(images, kernel), mode="valid")
        middle = fn.cat(images[1:-1, :1], inner, images[1:-1, -1:], axis_name="W")
        return fn.cat(images[:1], middle, images[-1:], axis_name="H")

    def posterize(self, images: Node, mask: Node, *_: Node) -> Node:
        """Pillow's ``ImageOps.posterize``, with the mask of the bits that are kept."""
        from nvidia.dali import fn, types

        return images & _beside(images, fn.cast(mask, dtype=types.UINT8))

    def solarize(self, images: Node, threshold: Node, *_: Node) -> Node:
        """Pillow's ``ImageOps.solarize``: invert what is not below the threshold."""
        return images ^ ((images >= _beside(images, threshold)) * _white())

    def invert(self, images: Node, *_: Node) -> Node:
        """Pillow's ``ImageOps.invert``."""
        return images ^ _white()

    def autocontrast(self, images: Node, *_: Node) -> Node:
        """Pillow's ``ImageOps.autocontrast``: stretch each channel to 0..255; one of one level stays."""
        from nvidia.dali import fn, types

        low = fn.reductions.min(images, axis_names="HW", keep_dims=True)
        span = fn.reductions.max(images, axis_names="HW", keep_dims=True) - low
        varies = span > 0
        scale = 255 / (span + (varies ^ True) * _white())
        return fn.cast(images * scale - (low * varies * scale - _CUT_OFF), dtype=types.UINT8)

    def equalize(self, images: Node, *_: Node) -> Node:
        """Pillow's ``ImageOps.equalize``, but with the step from level to level as it is.

        Pillow rounds the step down to whole pixels, so that a small image comes out brighter. DALI's operator
        spreads by the share of pixels that are as dark or darker, Pillow by that of pixels that are darker: of
        the inverted image the one is the other.
        """
        from nvidia.dali import fn

        return fn.equalize(images ^ _white()) ^ _white()

    def hue(self, images: Node, degrees: Node, *_: Node) -> Node:
        """Turn the hue in the YIQ colour space: brightness stays. Not Pillow's HSV, which DALI lacks."""
        from nvidia.dali import fn

        return fn.hue(images, hue=degrees)

    def grayscale(self, images: Node, *_: Node) -> Node:
        """Pillow's ``convert("L")``, in all channels."""
        from nvidia.dali import fn, types

        if self.channels == 1:
            return images
        return fn.color_space_conversion(self._grey(images), image_type=types.GRAY, output_type=types.RGB)

    def blur(self, images: Node, sigma: Node, *_: Node) -> Node:
        """Convolve with a Gaussian, cut off at 3 sigma; mirrored beyond the image's edge."""
        from nvidia.dali import fn

        return fn.gaussian_blur(images, sigma=sigma)

    def _grey(self, images: Node) -> Node:
        from nvidia.dali import fn, types

        if self.channels == 1:
            return images
        return fn.color_space_conversion(images, image_type=types.RGB, output_type=types.GRAY)


def _choose(
    operations: Sequence[Callable[..., Node]], first: int, number: Node, arguments: Sequence[Node]
) -> Node:
    """Halve the operations until one is left; the first one has the number ``first``."""
    from nvidia.dali import fn

    if len(operations) == 1:
        return operations[0](*arguments)
    half = len(operations) // 2
    # What `if` becomes in a pipeline with conditionals. Written out, because there all of Python's code on the
    # way, from the pipeline to here, would be rewritten by AutoGraph. DALI's type stubs leave it out.
    conditional: Any = fn._conditional  # type: ignore[attr-defined]
    lower = number < first + half
    parts = [conditional.split(each, predicate=lower) for each in (number, *arguments)]
    left, right = ([part[side] for part in parts] for side in (0, 1))
    return conditional.merge(
        _choose(operations[:half], first, left[0], left[1:]),
        _choose(operations[half:], first + half, right[0], right[1:]),
        predicate=lower,
    )


def _blend(degenerate: Node, images: Node, factor: Node) -> Node:
    """Pillow's ``Image.blend`` of two uint8 images."""
    from nvidia.dali import fn, types

    factor = _beside(images, factor)
    return fn.cast(images * factor + (degenerate * (1 - factor) + _CUT_OFF), dtype=types.UINT8)


def _beside(images: Node, parameter: Node) -> Node:
    """Return a parameter on the device where the images are."""
    return parameter.gpu() if images.device == "gpu" else parameter


def _white() -> Node:
    from nvidia.dali import types

    return types.Constant(255, dtype=types.UINT8)
