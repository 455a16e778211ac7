"""The dataset. Imported on the driver only."""

import numpy as np
from sklearn.datasets import load_sample_image

from imgcls import Source, UserError
from imgcls_example.options import PhotoTiles

PHOTOGRAPHS = ("china", "flower")


def build(options: PhotoTiles, split: str) -> Source | None:
    """All tiles for training; None for validation: imgcls then holds out a share, by seed and class."""
    if split != "train":
        return None
    pixels, labels = [], []
    for label, name in enumerate(PHOTOGRAPHS):
        tiles = _tiles(load_sample_image(f"{name}.jpg"), options.tile)
        pixels.append(tiles)
        labels += [label] * len(tiles)
    return Source.from_pixels(np.concatenate(pixels), labels, PHOTOGRAPHS)


def _tiles(image: np.ndarray, size: int) -> np.ndarray:
    rows, columns = image.shape[0] // size, image.shape[1] // size
    if not (rows and columns):
        # a UserError is shown as it is, without a traceback
        raise UserError(f"data.tile = {size} is more than the photographs' {min(image.shape[:2])} pixels")
    cut = image[: rows * size, : columns * size].reshape(rows, size, columns, size, 3)
    return cut.swapaxes(1, 2).reshape(-1, size, size, 3)
