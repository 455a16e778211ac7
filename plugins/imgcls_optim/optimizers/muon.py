"""Muon for the hidden layers, AdamW for the rest."""

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Gt, Lt

from imgcls import Component, options
from imgcls_optim.optimizers._options import Beta, Common, Momentum

if TYPE_CHECKING:
    import torch


@options
class Muon(Common):
    """Jordan et al., 2024, kellerjordan.github.io/posts/muon; as in torch."""

    momentum: Momentum = 0.95
    nesterov: Annotated[bool, "Nesterov's accelerated gradient"] = True
    scale: Annotated[
        Literal["adamw", "original"],
        "size of a step: as AdamW's, so that its lr fits (arXiv:2502.16982); or the root of rows by columns",
    ] = "adamw"
    iterations: Annotated[int, Gt(0), Lt(100), "of Newton and Schulz, which make a step orthogonal"] = 5
    adamw_lr: Annotated[Annotated[float, Gt(0)] | None, "AdamW's rate, for the rest; unset: lr"] = None
    betas: Annotated[tuple[Beta, Beta], "AdamW's"] = (0.9, 0.999)
    eps: Annotated[float, Gt(0), "AdamW's"] = 1e-8


def build(options: Muon, model: "torch.nn.Module", batch_size: int | None = None) -> "torch.optim.Optimizer":
    """Muon over the hidden weights of two dimensions or more, AdamW over all else that is trainable."""
    from imgcls_optim.optimizers import _muon
    from imgcls_optim.optimizers._groups import parameter_groups

    hidden = _muon.hidden_weights(model)
    groups = parameter_groups(model, options, batch_size, lambda name, _: {"hidden": name in hidden})
    for group in groups:
        if options.adamw_lr is not None and not group["hidden"]:
            group["lr"] *= options.adamw_lr / options.lr
    return _muon.Muon(
        groups,
        momentum=options.momentum,
        nesterov=options.nesterov,
        iterations=options.iterations,
        scale=options.scale,
        betas=options.betas,
        eps=options.eps,
    )


COMPONENT = Component(
    "muon",
    f"{__name__}:build",
    Muon,
    summary="orthogonal steps for hidden layers, else AdamW",
    # the iterations multiply matrices in bf16: sums over parts of them are others in the third digit
    facts={"fsdp": False},
)
