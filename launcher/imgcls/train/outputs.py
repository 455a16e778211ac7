"""What a model gives beside its logits while it is trained."""

from typing import NamedTuple

from torch import Tensor


class WithAuxiliary(NamedTuple):
    """Logits, and those of further heads that are trained too; a model in evaluation gives its logits alone.

    Attributes:
        logits: (N, classes), those that an accuracy is measured on.
        auxiliary: (weight, logits (N, classes)) of each further head: the loss is that of the logits plus,
            for each, its weight times its loss.
    """

    logits: Tensor
    auxiliary: tuple[tuple[float, Tensor], ...]
