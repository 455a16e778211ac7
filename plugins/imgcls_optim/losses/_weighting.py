"""Weights of classes, given or by how often each occurs. Imports no torch."""

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Lt

from imgcls import UserError, options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@options
class Weighted:
    """Weights of the classes, scaled so that their mean over the training set is 1."""

    class_weights: Annotated[
        tuple[Annotated[float, Ge(0)], ...], "a weight a class, in the order of the classes"
    ] = ()
    class_weighting: Annotated[
        Literal["none", "balanced", "effective"],
        "weights from the training set: one by a class's count, or by its effective number, arXiv:1901.05555",
    ] = "none"
    effective_beta: Annotated[float, Ge(0), Lt(1), "of the effective number; 0 is none, near 1 balanced"] = 0.9999


def class_weights(
    options: Weighted, num_classes: int, class_counts: "NDArray[np.int64] | None"
) -> "NDArray[np.float64] | None":
    """Return the weights of the classes; None for all alike.

    They are scaled so that the samples of the training set weigh 1 in the mean. A loss then divides by the number
    of samples, not by the sum of their weights: the gradient of a batch is the same however its samples are
    spread over workers, and its size in the mean is that without weights.

    Args:
        options: of the loss.
        num_classes: of the data set.
        class_counts: int64 (num_classes,): samples of the training set.

    Raises:
        UserError: weights given twice, too few, too many, all zero where there are samples, or counts not known.
    """
    import numpy as np

    given, rule = options.class_weights, options.class_weighting
    if not given and rule == "none":
        return None
    if given and rule != "none":
        raise UserError(f'loss: class_weights and class_weighting = "{rule}" are both set; leave one of them out')
    if given and len(given) != num_classes:
        raise UserError(f"loss: class_weights has {len(given)} values for {num_classes} classes; give one a class")
    if class_counts is None:
        raise UserError("loss: weights of classes need the training set's counts, which are not known here")
    weights = np.asarray(given, np.float64) if given else _by_count(options, class_counts)
    total = float(weights @ class_counts)
    if total == 0:
        raise UserError("loss: class_weights are zero for every class that the training set has; raise one")
    scaled: NDArray[np.float64] = weights * (class_counts.sum() / total)
    return scaled


def _by_count(options: Weighted, class_counts: "NDArray[np.int64]") -> "NDArray[np.float64]":
    import numpy as np

    # a class without samples is weighted as if it had one
    counts = np.maximum(class_counts, 1).astype(np.float64)
    if options.class_weighting == "effective":
        # an effective number is (1 - beta**n) / (1 - beta)
        counts = 1 - options.effective_beta**counts
    weights: NDArray[np.float64] = 1 / counts
    return weights
