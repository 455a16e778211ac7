"""Random erasing: Zhong et al., 2017, Random erasing data augmentation, arXiv:1708.04896."""

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imgcls import Augmentation, Draws, Graph, UserError
from imgcls_augment.options import RandomErasing

_TRIES = 100  # as the authors' code has it


class Erasing(Augmentation):
    """Fill boxes of random area, shape and place.

    As in the authors' code, a box is drawn until its height and width fit into the image, 100 times at most (then
    it is left out), and only then gets its place. The paper's algorithm 1 draws the place, too, and so rejects
    large boxes more often than small ones.

    Args:
        probability: of an image being changed.
        area: least and greatest share of the image's area, for each box.
        aspect: least and greatest height / width, even in the logarithm.
        fill: "constant"; "random", one colour for each box; "pixel", one for each pixel.
        value: grey level of "constant".
        count: boxes in an image.
    """

    def __init__(
        self,
        probability: float,
        area: tuple[float, float],
        aspect: tuple[float, float],
        fill: Literal["constant", "random", "pixel"],
        value: int,
        count: int,
    ) -> None:
        self.probability = probability
        self.area = area
        self.aspect = aspect
        self.fill = fill
        self.value = value
        self.count = count

    # Any, because noise is a list of arrays of differing shape
    def draw(self, draws: Draws, size: int) -> tuple[Any, ...]:
        """Return for each box in turn corner and shape, and what it is filled with unless that is constant.

        Returns:
            corner and shape, float32 (n, 2), y and x, with shape 0 for an image that stays as it is; "random":
            the colour, float32 (n, 3); "pixel": a list of n arrays, uint8 (height, width, 3).
        """
        n, count = len(draws), self.count
        changed = draws.chance(self.probability)
        places = draws.uniform(2 * count).reshape(n, count, 2)
        if self.fill == "random":
            colours = draws.integers(256, 3 * count).reshape(n, count, 3).astype(np.float32)
        elif self.fill == "pixel":
            windows = draws.integers(size + 1, 2 * count).reshape(n, count, 2)
            keys = draws.integers(256, count).astype(np.uint8)
        shapes = self._shapes(draws, size, changed)  # last, as it draws until the whole batch is done
        corners = np.floor(places * (size - shapes + 1))
        drawn: list[Any] = []
        for box in range(count):
            drawn += [corners[:, box].astype(np.float32), shapes[:, box].astype(np.float32)]
            if self.fill == "random":
                drawn.append(colours[:, box])
            elif self.fill == "pixel":
                drawn.append(_noise(draws.seed, size, shapes[:, box], windows[:, box], keys[:, box]))
        return tuple(np.ascontiguousarray(each) if isinstance(each, np.ndarray) else each for each in drawn)

    def _shapes(self, draws: Draws, size: int, changed: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return heights and widths, int64 (n, count, 2); try k of a sample is the same in every batch."""
        n, count = len(draws), self.count
        shapes = np.zeros((n, count, 2), np.int64)
        waiting = np.repeat(changed[:, None], count, axis=1)
        for _ in range(_TRIES):
            if not waiting.any():
                break
            area, aspect = np.moveaxis(draws.uniform(2 * count).reshape(n, count, 2), 2, 0)
            area = size * size * _between(area, *self.area)
            aspect = np.exp(_between(aspect, *np.log(self.aspect)))
            tried = np.rint(np.sqrt(np.stack([area * aspect, area / aspect], axis=-1))).astype(np.int64)
            fits = waiting & (tried >= 1).all(axis=-1) & (tried <= size).all(axis=-1)
            shapes[fits] = tried[fits]
            waiting &= ~fits
        return shapes

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Fill one box after the other."""
        each = len(parameters) // self.count
        for first in range(0, len(parameters), each):
            graph.images = self._erased(graph, *parameters[first : first + each])

    def _erased(self, graph: Graph, corner: Any, shape: Any, filling: Any = None) -> Any:
        from nvidia.dali import fn, types

        value: Any = float(self.value) if self.fill == "constant" else 0.0
        if self.fill == "random":
            value = filling[0 : graph.channels]
        images = fn.erase(graph.images, anchor=corner, shape=shape, axis_names="HW", fill_value=value)
        if self.fill != "pixel":
            return images
        noise = fn.reshape(filling[:, :, 0 : graph.channels], layout="HWC")
        canvas = fn.slice(
            noise.gpu() if images.device == "gpu" else noise,
            start=-fn.cast(corner, dtype=types.INT32),
            shape=[graph.size, graph.size],
            axis_names="HW",
            out_of_bounds_policy="pad",
            fill_values=0,
        )
        return images | canvas


def _between(uniform: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    return low + uniform * (high - low)


def _noise(
    seed: int,
    size: int,
    shapes: NDArray[np.int64],
    windows: NDArray[np.int64],
    keys: NDArray[np.uint8],
) -> list[NDArray[np.uint8]]:
    """Return noise for each box: a window of the seed's table, at a drawn place, XOR a drawn byte.

    A window costs 4 microseconds for each erased image of 224 pixels, noise made anew by the counter-based
    generator 54, in the thread that feeds all of a worker's images. Within an image all pixels are independent;
    two images have pixels of the table in common, but at another place or XOR another byte, save for one pair in
    13 million.
    """
    table = _table(seed, size)
    rows = np.concatenate([shapes, windows], axis=1).tolist()
    made = []
    for (height, width, y, x), key in zip(rows, keys, strict=True):
        if not height:
            made.append(np.zeros((1, 1, 3), np.uint8))
            continue
        window = table[y : y + height, 3 * x : 3 * (x + width)] ^ key
        made.append(window.reshape(height, width, 3))
    return made


@lru_cache(maxsize=2)
def _table(seed: int, size: int) -> NDArray[np.uint8]:
    """Return even random bytes, uint8 (2 * size, 2 * size * 3): any window of any place fits in."""
    side = 2 * size
    rows = Draws(seed, 0, np.arange(side), "random_erasing/noise")
    return rows.integers(256, 3 * side).astype(np.uint8)


def build(options: RandomErasing) -> Erasing:
    """Erased boxes.

    Raises:
        UserError: a range whose end is below its start, or a value that the fill does not use.
    """
    for name, (low, high) in (("area", options.area), ("aspect", options.aspect)):
        if low > high:
            raise UserError(f"augment random_erasing: {name} = [{low}, {high}] must rise")
    if options.value and options.fill != "constant":
        raise UserError(
            f'augment random_erasing: value = {options.value} is for fill = "constant" alone; '
            f'fill = "{options.fill}" draws its own'
        )
    return Erasing(options.probability, options.area, options.aspect, options.fill, options.value, options.count)
