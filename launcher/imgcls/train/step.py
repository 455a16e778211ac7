"""One update: forward, loss, backward, optimizer."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

Autocast = Callable[[], AbstractContextManager[object]]


def autocast(precision: str, device: torch.device) -> Autocast:
    """Return what makes the context of a forward pass.

    Args:
        precision: ``auto`` (bf16 on a GPU that has it), ``float32`` or ``bf16``.
        device: of the model.
    """
    has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    if precision == "bf16" or (precision == "auto" and has_bf16):
        return lambda: torch.autocast(device.type, torch.bfloat16)
    return nullcontext


def train_step(
    model: nn.Module,
    loss_of: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    targets: Tensor,
    share: float,
    precision: Autocast,
) -> tuple[Tensor, Tensor]:
    """Make one update.

    Args:
        model: gives logits (N, classes), perhaps with those of further heads; averages gradients over ranks
            if there are several.
        loss_of: mean loss of logits and targets.
        optimizer: with its learning rate set.
        images: float32 (N, C, H, W).
        targets: int64 labels (N,), or float32 shares of the classes (N, classes).
        share: this rank's samples in the global batch, times the number of ranks: 1 where all have the
            same. It makes the averaged gradient that of the mean over the global batch, exactly.
        precision: context of the forward pass.

    Returns:
        this rank's mean loss, float32 (), and its logits, detached.
    """
    with precision():
        outputs = model(images)
    logits, auxiliary = outputs if isinstance(outputs, tuple) else (outputs, ())
    loss = loss_of(logits.float(), targets)
    for weight, others in auxiliary:
        loss = loss + weight * loss_of(others.float(), targets)
    (loss if share == 1 else loss * share).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.detach(), logits.detach()


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set each group's learning rate to its own base rate times a factor."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


def seed_step(seed: int, step: int, rank: int) -> None:
    """Make dropout's randomness a function of seed, step and rank, so that no generator need be saved."""
    mixed = seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB
    # torch.manual_seed does the same for every backend there could be, a hundred times slower
    torch.default_generator.manual_seed(mixed % 2**63)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed(mixed % 2**63)
