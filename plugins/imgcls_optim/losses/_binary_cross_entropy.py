"""Torch code: binary cross-entropy."""

from torch import Tensor, nn
from torch.nn import functional

from imgcls_optim.losses._shares import shares


class BinaryCrossEntropy(nn.Module):
    """``-t * log s - (1 - t) * log(1 - s)`` with s the sigmoid of a logit, over classes and samples.

    The target t is the share of the class; then smoothed, ``(1 - smoothing) * t + smoothing / classes``; then, if
    there is a threshold, 1 above it and 0 up to it.

    Args:
        label_smoothing, target_threshold: as above.
        over_classes: ``"mean"`` or ``"sum"``.
    """

    def __init__(self, label_smoothing: float, target_threshold: float | None, over_classes: str) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.target_threshold = target_threshold
        self.over_classes = over_classes

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits (N, classes) and labels (N,) or shares (N, classes) to the mean over samples, ()."""
        wanted = shares(logits, targets)
        if self.label_smoothing:
            wanted = (1 - self.label_smoothing) * wanted + self.label_smoothing / logits.shape[1]
        if self.target_threshold is not None:
            wanted = (wanted > self.target_threshold).to(logits.dtype)
        mean = functional.binary_cross_entropy_with_logits(logits, wanted)
        return mean * logits.shape[1] if self.over_classes == "sum" else mean
