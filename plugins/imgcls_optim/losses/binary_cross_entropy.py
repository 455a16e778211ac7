"""Binary cross-entropy: each class by itself."""

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Lt

from imgcls import Component, options

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


@options
class BinaryCrossEntropy:
    """Wightman, Touvron, Jegou, 2021, ResNet strikes back, arXiv:2110.00476, section 2."""

    label_smoothing: Annotated[float, Ge(0), Lt(1), "share of the target spread over all classes"] = 0.0
    target_threshold: Annotated[
        Annotated[float, Ge(0), Lt(1)] | None,
        "smoothed and mixed targets above it count as 1, others as 0; unset: targets as they are",
    ] = None
    over_classes: Annotated[Literal["mean", "sum"], "what is made of a sample's losses"] = "mean"


def build(
    options: BinaryCrossEntropy,
    num_classes: int,  # noqa: ARG001 (the hook's signature)
    class_counts: "NDArray[np.int64] | None" = None,  # noqa: ARG001
) -> "torch.nn.Module":
    """Binary cross-entropy on the sigmoid of each logit."""
    from imgcls_optim.losses import _binary_cross_entropy as torch_code

    return torch_code.BinaryCrossEntropy(options.label_smoothing, options.target_threshold, options.over_classes)


COMPONENT = Component(
    "binary_cross_entropy",
    f"{__name__}:build",
    BinaryCrossEntropy,
    summary="each class by itself, as ResNet strikes back, arXiv:2110.00476",
)
