"""Fashion-MNIST: Xiao, Rasul, Vollgraf, 2017, arXiv:1708.07747, MIT licence, by Zalando Research."""

import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from imgcls import Source, UserError
from imgcls_datasets import idx
from imgcls_datasets.options import FashionMnist

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# the publisher's files and the MD5 sums its README gives
FILES = {
    "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
}
PUBLISHER = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_TIMEOUT = 20  # seconds


def build(options: FashionMnist, split: str) -> Source:
    """28x28 grey pixels: 60,000 for training, 10,000 for validation.

    Raises:
        UserError: the files are nowhere and cannot be downloaded.
    """
    folder = _folder(options)
    return idx.source(folder, split, CLASSES)


def _folder(options: FashionMnist) -> Path:
    root = Path(options.root).expanduser()
    if idx.complete(root):
        return root
    if idx.complete(DEBIAN):
        return DEBIAN
    if not options.download:
        raise UserError(_advice(root, "download = false"))
    _download(root)
    return root


def _download(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        for name, digest in FILES.items():
            if not idx.file(root, name).is_file():
                _fetch(f"{PUBLISHER}/{name}.gz", root / f"{name}.gz", digest)
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UserError(_advice(root, f"the download failed: {reason}")) from None


def _fetch(address: str, target: Path, digest: str) -> None:
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer, partial.open("wb") as file:  # noqa: S310
            shutil.copyfileobj(answer, file)
        found = hashlib.md5(partial.read_bytes(), usedforsecurity=False).hexdigest()
        if found != digest:
            raise UserError(f"{address}: MD5 is {found}, the publisher gives {digest}; nothing was kept")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _advice(root: Path, why: str) -> str:
    return (
        f"data fashion_mnist: the files are not in {root} and not in {DEBIAN}, and {why}\n"
        f"do one of: set data.root to a folder that holds {', '.join(f'{name}.gz' for name in FILES)}; "
        "or apt-get install dataset-fashion-mnist; "
        "or give the same command again where there is a network"
    )
