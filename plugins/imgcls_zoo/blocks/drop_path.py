"""Stochastic depth: Huang, Sun, Liu, Sedra, Weinberger, 2016, arXiv:1603.09382."""

from torch import Tensor, nn


class DropPath(nn.Module):
    """In training, replaces a sample's branch by zero with a probability, and scales the others up to match.

    Args:
        probability: in 0..1.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) to the same shape."""
        if not self.training or self.probability == 0:
            return x
        kept = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(1 - self.probability)
        return x * (kept / (1 - self.probability))

    def extra_repr(self) -> str:
        """Return what ``print`` shows."""
        return f"{self.probability:g}"


def drop_path_rates(last: float, depth: int) -> list[float]:
    """Return a rate for each of so many blocks, rising linearly from 0 to the last one's."""
    return [last * block / max(1, depth - 1) for block in range(depth)]
