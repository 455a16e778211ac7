"""RMSprop as TensorFlow has it."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt, Lt

from imgcls import Component, options
from imgcls_optim.optimizers._options import Beta, Common

if TYPE_CHECKING:
    import torch


@options
class RMSpropTF(Common):
    """TensorFlow 1's RMSProp; the defaults are those EfficientNet was trained with (arXiv:1905.11946)."""

    alpha: Annotated[Beta, "of the average square of the gradient, which starts at 1"] = 0.9
    eps: Annotated[float, Gt(0), "added to the average square, inside the root"] = 1e-3
    momentum: Annotated[float, Ge(0), Lt(1), "of the steps, each with the rate of its own time"] = 0.9
    weight_decay: Annotated[float, Ge(0), "L2 penalty"] = 0.0


def build(options: RMSpropTF, model: "torch.nn.Module", batch_size: int | None = None) -> "torch.optim.Optimizer":
    """TensorFlow's RMSProp over the model's trainable parameters."""
    from imgcls_optim.optimizers import _rmsprop_tf
    from imgcls_optim.optimizers._groups import parameter_groups

    groups = parameter_groups(model, options, batch_size)
    return _rmsprop_tf.RMSpropTF(groups, alpha=options.alpha, eps=options.eps, momentum=options.momentum)


COMPONENT = Component(
    "rmsprop_tf", f"{__name__}:build", RMSpropTF, summary="TensorFlow's RMSprop, for EfficientNet and MobileNet"
)
