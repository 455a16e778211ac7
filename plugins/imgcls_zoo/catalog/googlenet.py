"""GoogLeNet."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import HALF, Family


@options
class GoogLeNet:
    """Szegedy et al., 2014, Going deeper with convolutions, with batch normalisation (arXiv:1502.03167)."""

    branch_kernel: Annotated[Literal[3, 5], "of the modules' larger convolution: 5 in the paper"] = 5
    auxiliary: Annotated[bool, "two further classifiers, used in training only"] = True
    auxiliary_weight: Annotated[float, Gt(0), "of each of their losses"] = 0.3
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.4
    auxiliary_dropout: Annotated[float, Ge(0), Lt(1), "within the further classifiers"] = 0.7
    norm_eps: Annotated[float, Gt(0), "added to the variance by batch normalisation"] = 0.001
    transform_input: Annotated[bool, "take images normalised by ImageNet's mean and deviation to -1..1"] = False


_GOOGLENET = Family(
    build="imgcls_zoo.googlenet:build",
    layouts="imgcls_zoo.googlenet:layouts",
    year=2014,
    paper="arXiv:1409.4842",
    source="torchvision, IMAGENET1K_V1 weights",
    mean=HALF,  # what torchvision's weights see after its own transform_input
    std=HALF,
)

MODELS = (
    _GOOGLENET.row(
        "googlenet",
        GoogLeNet(branch_kernel=3),
        params=13_004_888,
        macs_g=1.498,
        top1=69.778,
        paddleclas="GoogLeNet",
        note="torchvision's: 3x3 for the paper's 5x5, batch normalisation; the heads for training are counted, "
        "6.625 M without; PaddleClas's has no normalisation, no activations within modules, smaller such heads",
    ),
)
