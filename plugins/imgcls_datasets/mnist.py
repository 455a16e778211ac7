"""MNIST: LeCun, Bottou, Bengio, Haffner, 1998, Gradient-based learning applied to document recognition."""

from pathlib import Path

from imgcls import Source, UserError
from imgcls_datasets import idx
from imgcls_datasets.options import Mnist


def build(options: Mnist, split: str) -> Source:
    """28x28 grey pixels of handwritten digits: 60,000 for training, 10,000 for validation.

    Raises:
        UserError: the files are not there, or are damaged.
    """
    root = Path(options.root).expanduser()
    places = (root, root / "raw", root / "MNIST/raw")  # the latter two as torchvision lays them down
    folder = next((place for place in places if idx.complete(place)), None)
    if folder is None:
        missing = [name for name in idx.FILES if not idx.file(root, name).is_file()]
        raise UserError(
            f"data mnist: {root} lacks {', '.join(missing)} (each may end in .gz); "
            "get them from http://yann.lecun.com/exdb/mnist or a mirror and set data.root to their folder"
        )
    return idx.source(folder, split, [str(digit) for digit in range(10)])
