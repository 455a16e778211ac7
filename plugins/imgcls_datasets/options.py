"""What datasets can be told."""

from typing import Annotated

from annotated_types import Gt

from imgcls import options


@options
class Digits:
    """Handwritten digits of scikit-learn (a part of UCI's 'Optical recognition of handwritten digits')."""


@options
class FashionMnist:
    """Fashion-MNIST, looked for in ``root``, then in Debian's package, then downloaded into ``root``."""

    root: Annotated[str, "folder of the four idx files"] = "~/.cache/imgcls/fashion-mnist"
    download: Annotated[bool, "fetch what is missing from the publisher"] = True


@options
class ImageFolder:
    """Images in one folder a class."""

    root: Annotated[str, "folder of class folders, or of train and val with class folders"]


@options
class ImageNet:
    """ImageNet-1k, in class folders below ``train`` and ``val``."""

    root: Annotated[str, "folder of train and val"]
    classes: Annotated[int, Gt(0), "class folders that must be there"] = 1000
