"""Torch code: the parameters of a model in groups of one learning rate and one weight decay."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from imgcls import UserError
from imgcls_optim.optimizers._options import Common

Marks = Callable[[str, nn.Parameter], Mapping[str, Any]]

# up to the first number, and on through lists of blocks below it: layer1.0, stages.0.blocks.1
_BLOCK = re.compile(r"(?:[^.]+\.)*?\d+(?:\.\d+)*(?:\.(?:blocks|layers)\.\d+)*(?=\.)")


def parameter_groups(
    model: nn.Module, options: Common, batch_size: int | None, marks: Marks = lambda _, __: {}
) -> list[dict[str, Any]]:
    """Return the trainable parameters in groups with their own ``lr`` and ``weight_decay``.

    Decay is zero for what the model lists in ``no_weight_decay: set[str]``, names of parameters such as
    position embeddings and class tokens, and for norms and biases unless ``decay_norm_and_bias``.

    Args:
        model: with ``requires_grad`` as it shall train.
        options: of the optimizer.
        batch_size: samples of an update, all workers together; None is enough where ``lr_per`` is unset.
        marks: what else the optimizer keeps in the group of a parameter, given its name.

    Raises:
        UserError: nothing is trainable, or the batch size is needed and not known.
    """
    rate = base_rate(options, batch_size)
    named = dict(model.named_parameters())
    scales = dict(zip(named, layer_scales(list(named), options.layer_decay), strict=True))
    never = undecayed(model)
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, parameter in named.items():
        if parameter.requires_grad:
            decays = name not in never and (options.decay_norm_and_bias or not is_norm_or_bias(parameter))
            facts = {
                "lr": rate * scales[name],
                "weight_decay": options.weight_decay if decays else 0.0,
                **marks(name, parameter),
            }
            groups.setdefault(tuple(facts.values()), {"params": [], **facts})["params"].append(parameter)
    if not groups:
        raise UserError("optimizer: every parameter of the model is frozen; leave some of them to train")
    return list(groups.values())


def base_rate(options: Common, batch_size: int | None) -> float:
    """Return the rate for a batch size: by Goyal et al., 2017, arXiv:1706.02677, or by its root.

    Raises:
        UserError: ``lr_per`` is set and the batch size is not known.
    """
    if options.lr_per is None:
        return options.lr
    if batch_size is None:
        raise UserError("optimizer: lr_per needs the batch size, which is not known here; leave lr_per out")
    ratio = batch_size / options.lr_per
    return options.lr * (math.sqrt(ratio) if options.lr_scaling == "sqrt" else ratio)


def is_norm_or_bias(parameter: nn.Parameter) -> bool:
    """Say whether it is a bias or a normalisation's weight: the parameters of one dimension."""
    return parameter.ndim <= 1


def undecayed(model: nn.Module) -> frozenset[str]:
    """Return the names in the model's ``no_weight_decay``; none where it has no such attribute.

    Raises:
        ValueError: one of them is no parameter of the model.
    """
    names = frozenset(getattr(model, "no_weight_decay", ()))
    unknown = names - dict(model.named_parameters()).keys()
    if unknown:
        raise ValueError(f"no_weight_decay of {type(model).__name__} names no parameters: {sorted(unknown)}")
    return names


def layer_scales(names: Sequence[str], decay: float) -> list[float]:
    """Return the factor of each parameter's rate, 1 at the top (Bao et al., 2021, arXiv:2106.08254, appendix)."""
    levels = layer_levels(names)
    top = max(levels, default=0)
    return [decay ** (top - level) for level in levels]


def layer_levels(names: Sequence[str]) -> list[int]:
    """Return how many blocks lie below each parameter, by the names of all, in the model's order.

    A block is what shares a name up to the first number, and on through ``blocks.<n>`` or ``layers.<n>`` below
    it: ``layer1.0``, ``encoder.layers.11``, ``stages.0.blocks.1``, ``features.3``. They are counted in order of
    appearance. What has no number is at the bottom before the first block, above all blocks after the last
    one, and with the block before it in between. Where nothing is numbered, each module that has parameters of
    its own is a block.
    """
    blocks = [found[0] if (found := _BLOCK.match(name)) else "" for name in names]
    if not any(blocks):
        blocks = [name.rpartition(".")[0] for name in names]
    first = next((at for at, block in enumerate(blocks) if block), len(blocks))
    last = max((at for at, block in enumerate(blocks) if block), default=-1)
    keys: list[str] = []
    for at, block in enumerate(blocks):
        keys.append(block or ("bottom" if at < first else "top" if at > last else keys[-1]))
    levels = {key: level for level, key in enumerate(dict.fromkeys(keys))}
    return [levels[key] for key in keys]
