"""What every optimizer can be told. Imports no torch."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from imgcls import options

# the share of an average that stays at an update
Beta = Annotated[float, Ge(0), Lt(1)]
Momentum = Annotated[float, Ge(0), Lt(1), "share of the last step that the next one keeps"]


@options
class Common:
    """Learning rate and weight decay."""

    lr: Annotated[float, Gt(0), "learning rate at the whole batch, before the schedule's factor"]
    lr_per: Annotated[
        Annotated[int, Gt(0)] | None, "batch size that lr is for, scaled to the run's; unset: lr is for the run's"
    ] = None
    lr_scaling: Annotated[Literal["linear", "sqrt"], "with lr_per: lr times batch_size / lr_per, or its root"] = (
        "linear"
    )
    weight_decay: Annotated[float, Ge(0), "share of a weight, times the rate, that an update takes away"] = 0.0
    decay_norm_and_bias: Annotated[bool, "true: biases and normalisation weights decay too"] = False
    layer_decay: Annotated[
        float, Gt(0), Le(1), "rate of each block as a share of the block's after it, arXiv:2106.08254"
    ] = 1.0
