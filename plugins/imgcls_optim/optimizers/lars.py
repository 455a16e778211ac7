"""Layer-wise adaptive rate scaling."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt

from imgcls import Component, options
from imgcls_optim.optimizers._options import Common, Momentum

if TYPE_CHECKING:
    import torch


@options
class LARS(Common):
    """You, Gitman, Ginsburg, 2017, Large batch training of convolutional networks, arXiv:1708.03888."""

    momentum: Momentum = 0.9
    trust: Annotated[float, Gt(0), "a layer's step as a share of its weights, before the rate"] = 1e-3
    adapt_norm_and_bias: Annotated[bool, "true: biases and normalisation weights are layers too"] = False
    weight_decay: Annotated[float, Ge(0), "L2 penalty"] = 0.0


def build(options: LARS, model: "torch.nn.Module", batch_size: int | None = None) -> "torch.optim.Optimizer":
    """LARS over the model's trainable parameters."""
    from imgcls_optim.optimizers import _lars
    from imgcls_optim.optimizers._groups import is_norm_or_bias, parameter_groups

    groups = parameter_groups(
        model,
        options,
        batch_size,
        lambda _, parameter: {"adapt": options.adapt_norm_and_bias or not is_norm_or_bias(parameter)},
    )
    return _lars.LARS(groups, momentum=options.momentum, trust=options.trust)


COMPONENT = Component("lars", f"{__name__}:build", LARS, summary="SGD for large batches, arXiv:1708.03888")
