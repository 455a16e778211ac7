"""What a model costs: counted on the meta device, which knows shapes alone and computes nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Part:
    """A module of a model.

    Attributes:
        name: dotted, within the model.
        kind: its class.
        output: shape of what it returns, without the batch; empty where that is no tensor.
        parameters: in it.
        macs: multiply-adds of one image.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True)
class Profile:
    """What a model costs.

    Attributes:
        layers: with weights: convolutions and fully connected ones, such as (("Conv2d", 53), ("Linear", 1)).
        parameters: of all.
        macs: multiply-adds of one image: convolutions, matrix products, attention.
        batch_size: that the memory is of.
        weights: bytes, float32; gradients take as many again, and each state of the optimizer.
        activations: bytes, float32, that a training step keeps for its backward pass.
        parts: the model's modules down to some depth.
    """

    layers: tuple[tuple[str, int], ...]
    parameters: int
    macs: int
    batch_size: int
    weights: int
    activations: int
    parts: tuple[Part, ...] = field(default=())


def profile(build: Callable[[], nn.Module], channels: int, size: int, batch_size: int, depth: int = 1) -> Profile:
    """Count a model's layers, parameters, multiply-adds, and the memory of a training step.

    Args:
        build: makes the model.
        channels: of the images.
        size: height and width of the images in pixels.
        batch_size: images in a training step.
        depth: how deep ``parts`` goes.
    """
    with torch.device("meta"):
        model = build()
    parts, macs = _parts(model, channels, size, depth)
    kinds = [type(m).__name__ for m in model.modules() if isinstance(m, nn.modules.conv._ConvNd | nn.Linear)]
    parameters = sum(p.numel() for p in model.parameters())
    return Profile(
        layers=tuple((kind, kinds.count(kind)) for kind in sorted(set(kinds))),
        parameters=parameters,
        macs=macs,
        batch_size=batch_size,
        weights=sum(p.numel() * p.element_size() for p in model.parameters()),
        activations=_kept_for_backward(model, channels, size, batch_size),
        parts=parts,
    )


def _parts(model: nn.Module, channels: int, size: int, depth: int) -> tuple[tuple[Part, ...], int]:
    outputs: dict[str, tuple[int, ...]] = {}

    def remember(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            outputs[name] = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()

        return hook

    shown = {name: m for name, m in model.named_modules() if name and name.count(".") < depth}
    handles = [module.register_forward_hook(remember(name)) for name, module in shown.items()]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.zeros(1, channels, size, size, device="meta"))
    for handle in handles:
        handle.remove()
    counts = {
        name.partition(".")[2]: sum(flops.values()) // 2 for name, flops in counter.get_flop_counts().items()
    }
    parts = tuple(
        Part(
            name,
            type(module).__name__,
            outputs[name],
            sum(p.numel() for p in module.parameters()),
            counts.get(name, 0),
        )
        for name, module in shown.items()
        if name in outputs
    )
    return parts, counter.get_total_flops() // 2


def _kept_for_backward(model: nn.Module, channels: int, size: int, batch_size: int) -> int:
    own = {p.untyped_storage()._cdata for p in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = model.train()(torch.zeros(batch_size, channels, size, size, device="meta"))
    del outputs  # kept until here: a storage that is freed may give its address to another
    return sum(kept.values())
