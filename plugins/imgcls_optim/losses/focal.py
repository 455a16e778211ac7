"""Focal loss."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from imgcls import Component, options
from imgcls_optim.losses._weighting import Weighted, class_weights

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


@options
class Focal(Weighted):
    """Lin et al., 2017, arXiv:1708.02002, on the softmax; its alpha are the weights of the classes."""

    gamma: Annotated[float, Ge(0), "how little what is right already counts; 0 is cross-entropy"] = 2.0


def build(options: Focal, num_classes: int, class_counts: "NDArray[np.int64] | None" = None) -> "torch.nn.Module":
    """Focal loss on the softmax.

    Raises:
        UserError: weights of classes that do not fit.
    """
    from imgcls_optim.losses import _focal

    return _focal.Focal(options.gamma, class_weights(options, num_classes, class_counts))


COMPONENT = Component("focal", f"{__name__}:build", Focal, summary="hard samples count more, arXiv:1708.02002")
