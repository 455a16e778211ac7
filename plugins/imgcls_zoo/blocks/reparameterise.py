"""Networks that are trained with branches and deployed without: Ding et al., 2021, RepVGG, arXiv:2101.03697."""

from torch import Tensor, nn


def normalised(kernel: Tensor, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the kernel and bias of a convolution and of the batch normalisation after it, in evaluation, as one.

    Both are float64, so that sums over branches lose nothing.
    """
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return kernel.double() * scale.view(-1, 1, 1, 1), norm.bias.double() - norm.running_mean.double() * scale
