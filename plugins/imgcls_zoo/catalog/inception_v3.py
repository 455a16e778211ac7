"""Inception v3."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import HALF, Family


@options
class InceptionV3:
    """Szegedy et al., 2015, Rethinking the Inception architecture for computer vision."""

    auxiliary: Annotated[bool, "a further classifier, used in training only"] = True
    auxiliary_weight: Annotated[float, Gt(0), "of its loss; the authors' code has 0.4"] = 0.4
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier; the authors' code has 0.2"] = 0.2
    norm_eps: Annotated[float, Gt(0), "added to the variance by batch normalisation"] = 0.001
    transform_input: Annotated[bool, "take images normalised by ImageNet's mean and deviation to -1..1"] = False


_INCEPTION_V3 = Family(
    build="imgcls_zoo.inception_v3:build",
    layouts="imgcls_zoo.inception_v3:layouts",
    year=2015,
    paper="arXiv:1512.00567",
    source="torchvision, IMAGENET1K_V1 weights",
    input_size=299,
    eval_resize=342,
    mean=HALF,  # what torchvision's weights see after its own transform_input
    std=HALF,
)

MODELS = (
    _INCEPTION_V3.row(
        "inception_v3",
        InceptionV3(),
        params=27_161_264,
        macs_g=5.713,
        top1=77.294,
        paddleclas="InceptionV3",
        note="the head for training is counted, as torchvision counts it; PaddleClas has none, 23.835 M without",
    ),
)
