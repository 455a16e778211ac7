"""What an update makes smaller: the loss of a model's outputs."""

from typing import Any, Protocol

from torch import Tensor, nn

from imgcls.train.outputs import parted


class Criterion(Protocol):
    """Takes images, the model's outputs for them, and targets, to the loss and the logits that are scored."""

    def __call__(self, images: Tensor, outputs: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss over the samples, float32 (), and logits (N, classes).

        Args:
            images: float32 (N, C, H, W), as the model got them.
            outputs: of the model in training: logits (N, classes), perhaps :class:`imgcls.WithAuxiliary`.
            targets: int64 labels (N,), or float32 shares of the classes (N, classes).
        """


class Supervised:
    """The loss of labels, of further heads too, each by its weight.

    Args:
        loss_of: mean loss of float32 logits (N, classes) and targets.
    """

    def __init__(self, loss_of: nn.Module) -> None:
        self.loss_of = loss_of

    def __call__(self, images: Tensor, outputs: Any, targets: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Return loss and logits; the images are not looked at."""
        logits, auxiliary = parted(outputs)
        loss = self.of(logits, targets)
        for weight, others in auxiliary:
            loss = loss + weight * self.of(others, targets)
        return loss, logits

    def of(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of one head's logits (N, classes), float32 ()."""
        loss: Tensor = self.loss_of(logits.float(), targets)
        return loss
