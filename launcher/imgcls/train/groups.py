"""An optimizer's parameter groups: what of them a plan says, and what the optimizer itself counts in them."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn

# of a group, what is neither an option nor a count: the parameters, and what imgcls.train.step.set_rate writes
_OTHER = ("params", "lr", "initial_lr")


@dataclass(frozen=True)
class Groups:
    """The groups as a plan's builder made them, before the first update.

    A checkpoint has them beside the optimizer's state, so that a run can go on from it under another plan: what
    the optimizer that was saved had changed since it was built is a count, and is restored; all else is an option,
    and the new plan's holds. Parameters are known by name: other options may sort them into other groups.

    Attributes:
        names: of each group's parameters.
        options: of each group.
    """

    names: Sequence[Sequence[str]]
    options: Sequence[dict[str, Any]]

    @classmethod
    def of(cls, optimizer: torch.optim.Optimizer, model: nn.Module, peer: nn.Module | None = None) -> "Groups":
        """Return those of an optimizer that was just built.

        Args:
            optimizer: of the run.
            model: whose parameters it has.
            peer: a second model, whose parameters it has too.
        """
        modules = {"model": model} if peer is None else {"model": model, "peer": peer}
        known = {id(p): f"{of}.{name}" for of, module in modules.items() for name, p in module.named_parameters()}
        names, options = [], []
        for at, group in enumerate(optimizer.param_groups):
            names.append([known.get(id(p), f"{at}.{number}") for number, p in enumerate(group["params"])])
            options.append(deepcopy({key: value for key, value in group.items() if key != "params"}))
        return cls(names, options)

    def to_dict(self) -> dict[str, Any]:
        """Return what a checkpoint has of them, for :meth:`adopt`."""
        return asdict(self)

    def adopt(self, state: dict[str, Any], built: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return an optimizer's state as one of these groups, and with their options.

        A parameter that the other optimizer did not have, for it was frozen, begins without a state.

        Args:
            state: as torch's ``state_dict`` of the other optimizer.
            built: the other one's groups, from :meth:`to_dict`; None: a checkpoint of before there were any, whose
                options are taken too.
        """
        if built is None:
            return state
        places = {name: at for at, names in enumerate(built["names"]) for name in names}
        groups, first = [], 0
        for names, options in zip(self.names, self.options, strict=True):
            at = next((places[name] for name in names if name in places), None)
            found = {} if at is None else _found(state["param_groups"][at], built["options"][at], options)
            groups.append({**options, **found, "params": list(range(first, first + len(names)))})
            first += len(names)
        numbers = {name: number for number, name in enumerate(chain.from_iterable(built["names"]))}
        mine = enumerate(numbers.get(name, -1) for name in chain.from_iterable(self.names))
        kept = {number: state["state"][theirs] for number, theirs in mine if theirs in state["state"]}
        return {"state": kept, "param_groups": groups}


def _found(group: Mapping[str, Any], built: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is restored of a group: its counts, and the last rate where its base is the same."""
    counts = {
        key: value
        for key, value in group.items()
        if key not in _OTHER and not (key in built and built[key] == value)
    }
    if "initial_lr" not in group:
        return counts
    base = options.get("initial_lr", options["lr"])
    return {**counts, "initial_lr": base, "lr": group["lr"] if group["initial_lr"] == base else base}
