"""The moving average of a model's weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from imgcls.train.sharded import divided, own_part


class MovingAverage:
    """An exponential moving average of all floating-point weights and statistics.

    Polyak and Juditsky, 1992; the warm-up is TensorFlow's: update ``t`` uses at most (1 + t) / (10 + t).

    Args:
        model: whose weights are averaged; read again at each update.
        decay: share of the average that an update keeps.
        warmup: begin with a smaller decay.
    """

    def __init__(self, model: nn.Module, decay: float, warmup: bool) -> None:
        self.model = model
        self.decay = decay
        self.warmup = warmup
        self.tensors = {name: tensor.detach().clone() for name, tensor in _floating(model).items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after an update; ``step`` counts them from 1."""
        decay = min(self.decay, (1 + step) / (10 + step)) if self.warmup else self.decay
        current = _floating(self.model)
        mine = [own_part(tensor) for tensor in self.tensors.values()]
        torch._foreach_lerp_(mine, [own_part(current[name]) for name in self.tensors], 1 - decay)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over the averages of a checkpoint."""
        for name, tensor in self.tensors.items():
            tensor.copy_(divided(tensors[name], tensor))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the averages for a while."""
        current = _floating(self.model)
        kept = {name: current[name].clone() for name in self.tensors}
        self._give(self.tensors)
        try:
            yield
        finally:
            self._give(kept)

    @torch.no_grad()
    def _give(self, tensors: Mapping[str, Tensor]) -> None:
        current = _floating(self.model)
        for name, tensor in tensors.items():
            current[name].copy_(tensor)


def _floating(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
