"""The feed-forward half of a transformer's block."""

from collections.abc import Callable

from torch import Tensor, nn


class Mlp(nn.Module):
    """Two fully connected layers around an activation.

    Args:
        width: of input and output.
        hidden: between.
        activation: between.
        dropout: after each of the two.
        names: of the two; torchvision's are ``("0", "3")``.
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        activation: Callable[[], nn.Module] = nn.GELU,
        dropout: float = 0.0,
        names: tuple[str, str] = ("fc1", "fc2"),
    ) -> None:
        super().__init__()
        self._names = names
        self.add_module(names[0], nn.Linear(width, hidden))
        self.act = activation()
        self.add_module(names[1], nn.Linear(hidden, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same shape."""
        first, second = getattr(self, self._names[0]), getattr(self, self._names[1])
        return self.drop(second(self.drop(self.act(first(x)))))  # type: ignore[no-any-return]
