"""Whether a model takes images of every size that a run gives it: found before the first step."""

import torch
from torch import nn

from imgcls.data.growing import Growth
from imgcls.errors import UserError
from imgcls.plan import Plan


def check_sizes(plan: Plan) -> None:
    """Try every size of training and evaluation, where there is more than one; costs no memory and little time.

    Raises:
        UserError: the model does not take some of them; they are named.
    """
    growth, end = Growth.of(plan), plan.format.training.size
    training = {end} if growth is None else {size for *_, size in growth.stretches(plan.train.epochs)}
    sizes = sorted({plan.format.size, *training})
    if len(sizes) == 1:
        return
    with torch.device("meta"):
        model = plan.model.construct(num_classes=len(plan.data.classes), in_channels=plan.format.channels)
    faults = {
        size: fault
        for size in sizes
        if (fault := _fault(model.train(size in training), plan.format.channels, size)) is not None
    }
    if not faults or len(faults) == len(sizes):
        return  # none: the size is not what is wrong, and the first step says what is
    refused, taken = ", ".join(map(str, faults)), ", ".join(str(size) for size in sizes if size not in faults)
    raise UserError(
        f"{plan.model.name} does not take images of {refused} pixels, but takes {taken}: "
        f"{next(iter(faults.values()))}\n"
        "set input.size, input.train_size and progressive.size to what it takes, or name another model"
    )


@torch.no_grad()
def _fault(model: nn.Module, channels: int, size: int) -> str | None:
    """Return what a model on the meta device says of images of a size; None: nothing."""
    try:
        model(torch.zeros(2, channels, size, size, device="meta"))
    except NotImplementedError:
        return None  # it does what cannot be tried on this device
    except Exception as error:  # noqa: BLE001 (a model of a plugin may raise anything)
        return str(error).partition("\n")[0]
    return None
