"""One update: forward, loss, backward, clipping, optimizer."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from imgcls.train.criterion import Criterion
from imgcls.train.parallel import alone

Autocast = Callable[[], AbstractContextManager[object]]

_REDUCED = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: str, device: torch.device) -> Autocast:
    """Return what makes the context of a forward pass.

    Args:
        precision: ``auto`` (bf16 on a GPU that has it), ``float32``, ``bf16`` or ``fp16``.
        device: of the model.
    """
    has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    if precision == "auto":
        precision = "bf16" if has_bf16 else "float32"
    if precision in _REDUCED:
        return lambda: torch.autocast(device.type, _REDUCED[precision])
    return nullcontext


def _nothing() -> None:
    pass


@dataclass
class Step:
    """Makes updates.

    Attributes:
        model: gives logits (N, classes), perhaps with those of further heads; averages gradients over ranks if
            there are several.
        criterion: the loss of its outputs.
        optimizer: with its learning rate set before each update.
        precision: context of the forward pass.
        accumulate: parts that a rank's samples are cut into, one forward and backward pass each.
        clip: changes the gradients before the optimizer sees them.
        scaler: of the loss, for fp16; None: there is none.
        channels_last: give the model images in that memory format.
        vet: tells from this rank's loss whether the update is made, the same on every rank; None: it always is.
    """

    model: nn.Module
    criterion: Criterion
    optimizer: torch.optim.Optimizer
    precision: Autocast
    accumulate: int = 1
    clip: Callable[[], None] = _nothing
    scaler: torch.amp.GradScaler | None = None
    channels_last: bool = False
    vet: Callable[[Tensor], bool] | None = None

    def __call__(self, images: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor] | None:
        """Make one update.

        Args:
            images: float32 (N, C, H, W).
            targets: int64 labels (N,), or float32 shares of the classes (N, classes).
            share: this rank's samples in the global batch, times the number of ranks: 1 where all have the
                same. It makes the averaged gradient that of the mean over the global batch, exactly.

        Returns:
            this rank's mean loss, float32 (), and its logits, detached; None where no update was made, and
            everything is as it was.
        """
        before = [buffer.clone() for buffer in self.model.buffers()] if self.vet is not None else []
        loss, logits = self._gradients(images, targets, share)
        if self.vet is not None and not self.vet(loss):
            self.optimizer.zero_grad(set_to_none=True)
            for buffer, value in zip(self.model.buffers(), before, strict=True):
                buffer.copy_(value)
            return None
        ascend: Callable[[], None] | None = getattr(self.optimizer, "ascend", None)
        if ascend is not None:
            self._ascend(ascend, images, targets, share)
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
            self.clip()
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.clip()
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss, logits

    def _gradients(self, images: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        n = len(targets)
        parts = min(self.accumulate, n)
        if parts == 1:
            return self._pass(images, targets, share)
        losses, logits = [], []
        pieces = list(zip(images.tensor_split(parts), targets.tensor_split(parts), strict=True))
        for number, (some, theirs) in enumerate(pieces, start=1):
            # ranks exchange gradients once, in the last backward pass
            with alone(self.model) if number < parts else nullcontext():
                loss, answers = self._pass(some, theirs, share * len(theirs) / n)
            losses.append(loss * (len(theirs) / n))
            logits.append(answers)
        return torch.stack(losses).sum(), torch.cat(logits)

    def _pass(self, images: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
        with self.precision():
            outputs = self.model(images)
        loss, logits = self.criterion(images, outputs, targets)
        scaled = loss if share == 1 else loss * share
        (scaled if self.scaler is None else self.scaler.scale(scaled)).backward()  # type: ignore[no-untyped-call]
        return loss.detach(), logits.detach()

    def _ascend(self, ascend: Callable[[], None], images: Tensor, targets: Tensor, share: float) -> None:
        """Go where sharpness-aware optimizers want their gradients from, and compute them there."""
        ascend()
        self.optimizer.zero_grad(set_to_none=True)
        norms = [m for m in self.model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 0.0  # statistics are those of the first pass
        self._gradients(images, targets, share)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def scaler_for(precision: str, device: torch.device) -> Any:
    """Return what scales the loss so that fp16 gradients do not vanish; None for other precisions.

    Micikevicius et al., 2017, arXiv:1710.03740, section 3.2.
    """
    return torch.amp.GradScaler(device.type) if precision == "fp16" else None


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
