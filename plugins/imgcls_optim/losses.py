"""Builders of losses."""

from torch import nn

from imgcls_optim.options import CrossEntropy


def cross_entropy(options: CrossEntropy, num_classes: int) -> nn.Module:  # noqa: ARG001 (the hook's signature)
    """Softmax cross-entropy with label smoothing (Szegedy et al., 2015, arXiv:1512.00567, section 7)."""
    return nn.CrossEntropyLoss(label_smoothing=options.label_smoothing)
