"""Parameters that are not trained, and the statistics of their layers that stay as they are."""

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from imgcls.errors import UserError


def freeze(model: nn.Module, patterns: Sequence[str]) -> None:
    """Leave the parameters whose names match a pattern, such as ``layer1.*``, out of training.

    Raises:
        UserError: a pattern matches none, or nothing is left to train.
    """
    names = [name for name, _ in model.named_parameters()]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            near = difflib.get_close_matches(pattern, names, n=1, cutoff=0.3)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise UserError(f"train.freeze: no parameter of the model is named '{pattern}'{hint}")
    for name, parameter in model.named_parameters():
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UserError(f"train.freeze: {list(patterns)} leaves no parameter to train")
    for module in model.modules():
        own = list(module.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()  # batch norm's statistics stay, and dropout rests
