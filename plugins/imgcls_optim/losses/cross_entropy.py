"""Softmax cross-entropy."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Lt

from imgcls import Component, options
from imgcls_optim.losses._weighting import Weighted, class_weights

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


@options
class CrossEntropy(Weighted):
    """Softmax cross-entropy on labels, or on shares of the classes where images are mixed."""

    label_smoothing: Annotated[float, Ge(0), Lt(1), "share of the target spread over all classes"] = 0.0


def build(
    options: CrossEntropy, num_classes: int, class_counts: "NDArray[np.int64] | None" = None
) -> "torch.nn.Module":
    """Softmax cross-entropy with label smoothing (Szegedy et al., 2015, arXiv:1512.00567, section 7).

    Raises:
        UserError: weights of classes that do not fit.
    """
    from torch import nn

    from imgcls_optim.losses._cross_entropy import WeightedCrossEntropy

    weights = class_weights(options, num_classes, class_counts)
    if weights is None:
        return nn.CrossEntropyLoss(label_smoothing=options.label_smoothing)
    return WeightedCrossEntropy(weights, options.label_smoothing)


COMPONENT = Component(
    "cross_entropy", f"{__name__}:build", CrossEntropy, summary="with label smoothing, arXiv:1512.00567"
)
