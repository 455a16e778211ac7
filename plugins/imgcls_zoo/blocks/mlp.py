"""The feed-forward half of a transformer's block."""

from collections.abc import Callable

from torch import Tensor, nn


class Mlp(nn.Module):
    """Two fully connected layers, ``fc1`` and ``fc2``, around an activation.

    Args:
        width: of input and output.
        hidden: between.
        activation: between.
        dropout: after each of the two.
    """

    def __init__(
        self, width: int, hidden: int, activation: Callable[[], nn.Module] = nn.GELU, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = activation()
        self.fc2 = nn.Linear(hidden, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same shape."""
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))  # type: ignore[no-any-return]
