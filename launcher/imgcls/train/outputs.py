"""What a model gives beside its logits while it is trained."""

from typing import Any, NamedTuple

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


class OfBoth(NamedTuple):
    """What two models that learn side by side give for the same images, each as it would alone."""

    first: Any
    second: Any


def parted(outputs: Any) -> tuple[Tensor, tuple[tuple[float, Tensor], ...]]:
    """Return a model's logits, and those of its further heads with their weights, if it has any."""
    return outputs if isinstance(outputs, tuple) else (outputs, ())


def every_logits(outputs: Any) -> list[Tensor]:
    """Return the logits of every head of every model in what is trained."""
    if isinstance(outputs, OfBoth):
        return [logits for each in outputs for logits in every_logits(each)]
    logits, auxiliary = parted(outputs)
    return [logits, *(others for _, others in auxiliary)]
