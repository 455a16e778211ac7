"""What optimizers, schedules and losses can be told. Imports no torch."""

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

from imgcls import options


@options
class SGD:
    """Stochastic gradient descent with momentum, as in torch."""

    lr: Annotated[float, Gt(0), "learning rate at the whole batch, before the schedule's factor"]
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    nesterov: Annotated[bool, "Nesterov's accelerated gradient; needs momentum"] = True
    weight_decay: Annotated[float, Ge(0), "L2 penalty"] = 0.0
    decay_norm_and_bias: Annotated[bool, "false: no L2 penalty on biases and normalisation weights"] = True


@options
class Cosine:
    """Half a cosine from 1 to ``final`` after a linear warm-up."""

    warmup_epochs: Annotated[float, Ge(0), "epochs of linear warm-up"] = 0.0
    warmup_start: Annotated[float, Ge(0), Le(1), "factor that the warm-up rises from"] = 0.0
    final: Annotated[float, Ge(0), Le(1), "factor after the last update"] = 0.0


@options
class Step:
    """Times ``gamma`` at each milestone, after a linear warm-up."""

    milestones: Annotated[tuple[float, ...], "epochs at which the rate is lowered"]
    gamma: Annotated[float, Gt(0), Le(1)] = 0.1
    warmup_epochs: Annotated[float, Ge(0), "epochs of linear warm-up"] = 0.0
    warmup_start: Annotated[float, Ge(0), Le(1), "factor that the warm-up rises from"] = 0.0


@options
class Constant:
    """The same rate throughout, after a linear warm-up."""

    warmup_epochs: Annotated[float, Ge(0), "epochs of linear warm-up"] = 0.0
    warmup_start: Annotated[float, Ge(0), Le(1), "factor that the warm-up rises from"] = 0.0


@options
class CrossEntropy:
    """Softmax cross-entropy on integer labels."""

    label_smoothing: Annotated[float, Ge(0), Lt(1), "share of the target spread over all classes"] = 0.0
