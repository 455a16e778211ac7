"""A copy of a run's state at one step, as the files of a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from imgcls.train.sharded import divided, whole


@dataclass(eq=False)
class Snapshot:
    """What a checkpoint is written from, while training goes on.

    Attributes:
        step: updates made.
        tensors: file name -> name -> a copy on the CPU.
        texts: file name -> its text.
        best: the step of the best evaluation so far; -1 for none.
        is_placed: whether its folder is whole and has its final name.
    """

    step: int
    tensors: Mapping[str, dict[str, Tensor]]
    texts: Mapping[str, str]
    best: int
    is_placed: bool = False


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies on the CPU, for training goes on while they are written.

    Those of sharded tensors are whole; every other rank must call :func:`take_part` then.
    """
    return {name: whole(tensor.detach()).to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def take_part(tensors: Mapping[str, Tensor]) -> None:
    """Give this rank's parts of sharded tensors to the one that copies them; keeps nothing."""
    for tensor in tensors.values():
        whole(tensor.detach())


def tensors_of(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Mapping[str, Tensor] | None,
    peer: nn.Module | None = None,
) -> tuple[dict[str, Mapping[str, Tensor]], dict[str, Any]]:
    """Return the tensors of each file of a checkpoint, and what of the optimizer's state is no tensor.

    Args:
        model, optimizer: of the run.
        average: the moving average of the weights; the model's other tensors are written beside it.
        peer: a second model that learns beside the first.
    """
    own = model.state_dict()
    tensors, rest = split_state(optimizer.state_dict())
    files: dict[str, Mapping[str, Tensor]] = {"model.safetensors": own, "optimizer.safetensors": tensors}
    if average is not None:
        files["ema.safetensors"] = {**own, **average}
    if peer is not None:
        files["peer.safetensors"] = peer.state_dict()
    return files, rest


def split_state(state: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Part an optimizer's state into named tensors and what JSON can hold."""
    tensors: dict[str, Tensor] = {}
    rest: dict[str, dict[str, Any]] = {}
    for number, entry in state["state"].items():
        rest[str(number)] = {k: v for k, v in entry.items() if not isinstance(v, Tensor)}
        tensors |= {f"{number}/{k}": v for k, v in entry.items() if isinstance(v, Tensor)}
    return tensors, {"state": rest, "param_groups": state["param_groups"]}


def join_state(tensors: Mapping[str, Tensor], rest: dict[str, Any]) -> dict[str, Any]:
    """Return the optimizer's state that :func:`split_state` parted."""
    state: dict[int, dict[str, Any]] = {int(number): dict(entry) for number, entry in rest["state"].items()}
    for name, tensor in tensors.items():
        number, _, key = name.partition("/")
        state[int(number)][key] = tensor
    return {"state": state, "param_groups": rest["param_groups"]}


def divide_state(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return an optimizer's state, what it keeps of a sharded parameter in parts as the parameter is."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    kept = {
        number: {k: divided(v, parameters[number]) if isinstance(v, Tensor) else v for k, v in entry.items()}
        for number, entry in state["state"].items()
    }
    return {**state, "state": kept}
