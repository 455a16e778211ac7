"""Handwritten digits: Alpaydin and Kaynak, 1998, UCI Machine Learning Repository, doi:10.24432/C50P49."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from imgcls import Source, UserError
from imgcls_datasets.options import Digits

_GREY_LEVELS = 16  # the file's values are counts of set pixels in 4x4 blocks, 0..16


def build(options: Digits, split: str) -> Source | None:  # noqa: ARG001 (there is nothing to set)
    """All 1,797 images as 8x8 grey pixels; no validation split of its own.

    Raises:
        UserError: scikit-learn is not installed.
    """
    if split != "train":
        return None
    table = _table()
    pixels = np.rint(table[:, :64] * (255 / _GREY_LEVELS)).astype(np.uint8).reshape(-1, 8, 8, 1)
    return Source.from_pixels(pixels, table[:, 64].astype(np.int64), [str(digit) for digit in range(10)])


def _table() -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise UserError("data digits: scikit-learn brings this dataset: pip install scikit-learn")
    file = Path(spec.origin).parent / "datasets/data/digits.csv.gz"
    if file.is_file():  # importing scikit-learn to read one file would take a second
        return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.column_stack([digits.data, digits.target])
