"""Branches side by side: Szegedy et al., 2014, arXiv:1409.4842."""

import torch
from torch import Tensor, nn


class Concatenate(nn.ModuleDict):
    """Gives its input to each of its modules and puts their outputs one after another along the channels."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, sum of the branches' channels, H', W')."""
        return torch.cat([branch(x) for branch in self.values()], 1)
