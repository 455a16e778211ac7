"""Layer-wise adaptive moments."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt

from imgcls import Component, options
from imgcls_optim.optimizers._options import Beta, Common

if TYPE_CHECKING:
    import torch


@options
class LAMB(Common):
    """You et al., 2019, Large batch optimization for deep learning, arXiv:1904.00962."""

    betas: Annotated[tuple[Beta, Beta], "of the averages of the gradient and of its square"] = (0.9, 0.999)
    eps: Annotated[float, Gt(0), "added to the root of the average square"] = 1e-6
    weight_decay: Annotated[float, Ge(0), "share of a weight in its step, before the layer scales it"] = 0.0
    adapt_norm_and_bias: Annotated[bool, "true: biases and normalisation weights are layers too"] = False


def build(options: LAMB, model: "torch.nn.Module", batch_size: int | None = None) -> "torch.optim.Optimizer":
    """LAMB over the model's trainable parameters."""
    from imgcls_optim.optimizers import _lamb
    from imgcls_optim.optimizers._groups import is_norm_or_bias, parameter_groups

    groups = parameter_groups(
        model,
        options,
        batch_size,
        lambda _, parameter: {"adapt": options.adapt_norm_and_bias or not is_norm_or_bias(parameter)},
    )
    return _lamb.LAMB(groups, betas=options.betas, eps=options.eps)


COMPONENT = Component("lamb", f"{__name__}:build", LAMB, summary="AdamW for large batches, arXiv:1904.00962")
