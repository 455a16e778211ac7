"""AlexNet."""

from typing import Annotated

from annotated_types import Ge, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class AlexNet:
    """Krizhevsky, Sutskever, Hinton, 2012, ImageNet classification with deep convolutional neural networks.

    In one column, as Krizhevsky, 2014, arXiv:1404.5997, has it: without groups and response normalisation, and
    with other widths.
    """

    dropout: Annotated[float, Ge(0), Lt(1), "before each of the two hidden fully connected layers"] = 0.5


_ALEXNET = Family(
    build="imgcls_zoo.alexnet:build",
    layouts="imgcls_zoo.alexnet:layouts",
    year=2014,
    paper="arXiv:1404.5997",
    source="torchvision, IMAGENET1K_V1 weights",
)

MODELS = (
    _ALEXNET.row(
        "alexnet",
        AlexNet(),
        params=61_100_840,
        macs_g=0.714,
        top1=56.522,
        paddleclas="AlexNet",
        note="one column, as in arXiv:1404.5997 and torchvision; the first paper (NIPS 2012) has two, 61.0 M",
    ),
)
