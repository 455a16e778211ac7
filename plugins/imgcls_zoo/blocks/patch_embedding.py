"""Images as sequences of patches: Dosovitskiy et al., 2020, arXiv:2010.11929."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class PatchEmbedding(nn.Module):
    """One token for each square patch, by a convolution (``proj``) whose kernel and stride are the patch's size.

    Args:
        in_channels: of the images.
        width: of the tokens.
        patch: height and width in pixels.
    """

    def __init__(self, in_channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, width, patch, patch)

    def forward(self, images: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, H / patch * W / patch, width), row by row."""
        return self.proj(images).flatten(2).transpose(1, 2)  # type: ignore[no-any-return]


def resized_positions(embedding: Tensor, rows: int, columns: int, prefix: int) -> Tensor:
    """Return position embeddings for a grid of another size, by bicubic interpolation.

    Args:
        embedding: (1, prefix + side * side, width), of a square grid of patches.
        rows, columns: of the grid that is wanted.
        prefix: tokens before the patches, which keep theirs: class and distillation tokens.

    Returns:
        (1, prefix + rows * columns, width).
    """
    side = math.isqrt(embedding.shape[1] - prefix)
    if (rows, columns) == (side, side):
        return embedding
    first, grid = embedding[:, :prefix], embedding[:, prefix:]
    grid = grid.reshape(1, side, side, -1).permute(0, 3, 1, 2).float()
    grid = functional.interpolate(grid, (rows, columns), mode="bicubic", align_corners=False, antialias=False)
    return torch.cat((first, grid.permute(0, 2, 3, 1).flatten(1, 2).to(first.dtype)), 1)


def fitted_positions(value: Tensor, own: Tensor, prefix: int) -> Tensor | None:
    """Return loaded position embeddings with as many patches as a model's own have.

    Args:
        value: of a file, for a square grid of patches.
        own: (1, prefix + side * side, width), the model's.
        prefix: as of :func:`resized_positions`.

    Returns:
        As ``own`` is shaped; None where the file's have another width, or are not of a square grid.
    """
    if value.ndim != 3 or value.shape[1] <= prefix or value.shape[2] != own.shape[2]:
        return None
    if math.isqrt(value.shape[1] - prefix) ** 2 != value.shape[1] - prefix:
        return None
    side = math.isqrt(own.shape[1] - prefix)
    return resized_positions(value, side, side, prefix)
