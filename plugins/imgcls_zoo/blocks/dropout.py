"""Dropout as it was first published: Hinton et al., 2012, arXiv:1207.0580."""

from torch import Tensor, nn


class UnscaledDropout(nn.Dropout):
    """In training, replaces numbers by zero with probability ``p`` and leaves the others as they are.

    In evaluation everything is multiplied by ``1 - p`` instead: Paddle's ``downscale_in_infer``, which its own
    families were trained with, so that their classifiers' weights need it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(...) to the same shape."""
        return super().forward(x) * (1 - self.p) if self.p else x
