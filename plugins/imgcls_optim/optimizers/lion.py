"""Lion, of the library pytorch-optimizer."""

from typing import TYPE_CHECKING, Annotated

from imgcls import Component, options
from imgcls_optim.optimizers._options import Beta, Common

if TYPE_CHECKING:
    import torch


@options
class Lion(Common):
    """Chen et al., 2023, Symbolic discovery of optimization algorithms, arXiv:2302.06675."""

    betas: Annotated[tuple[Beta, Beta], "of the average whose sign is the step, and of the one that is kept"] = (
        0.9,
        0.99,
    )


def build(options: Lion, model: "torch.nn.Module", batch_size: int | None = None) -> "torch.optim.Optimizer":
    """Lion over the model's trainable parameters; rates a third to a tenth of AdamW's, decay as much higher."""
    import pytorch_optimizer

    from imgcls_optim.optimizers._groups import parameter_groups

    groups = parameter_groups(model, options, batch_size)
    return pytorch_optimizer.Lion(groups, lr=options.lr, betas=options.betas, weight_decouple=True)


COMPONENT = Component("lion", f"{__name__}:build", Lion, summary="the sign of the momentum, arXiv:2302.06675")
