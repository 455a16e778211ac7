"""Squeeze-and-excitation: Hu, Shen, Sun, 2017, arXiv:1709.01507."""

from collections.abc import Callable

from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """Weighs channels by a number in 0..1 each, which two 1x1 convolutions make of the channels' means.

    Args:
        channels: of the input and output.
        squeezed: channels between the two.
        activation: between the two.
        gate: after the second: sigmoid in the paper, hard sigmoid in MobileNetV3.
        names: of the two convolutions; by default torchvision's.
        bias: whether they have one.
    """

    def __init__(
        self,
        channels: int,
        squeezed: int,
        activation: Callable[[], nn.Module] = nn.ReLU,
        gate: Callable[[], nn.Module] = nn.Sigmoid,
        names: tuple[str, str] = ("fc1", "fc2"),
        bias: bool = True,
    ) -> None:
        super().__init__()
        self._names = names
        self.add_module(names[0], nn.Conv2d(channels, squeezed, 1, bias=bias))
        self.activation = activation()
        self.add_module(names[1], nn.Conv2d(squeezed, channels, 1, bias=bias))
        self.gate = gate()

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        first, second = getattr(self, self._names[0]), getattr(self, self._names[1])
        scale = self.activation(first(x.mean((2, 3), keepdim=True)))
        return x * self.gate(second(scale))  # type: ignore[no-any-return]
