"""Top-1 and top-5 as counts over exactly the samples there are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from imgcls.train.step import Autocast
from imgcls.train.world import World


@dataclass(frozen=True)
class Score:
    """Counts over an evaluation set.

    Attributes:
        n: samples.
        correct1: whose label has the highest logit.
        correct5: whose label is among the five highest, or among all where there are fewer classes.
        loss_sum: of the loss over the samples.
    """

    n: int
    correct1: int
    correct5: int
    loss_sum: float

    def metrics(self) -> dict[str, float]:
        """Return ``top1`` and ``top5`` in percent, the mean ``loss``, and ``n``."""
        return {
            "top1": 100 * self.correct1 / self.n,
            "top5": 100 * self.correct5 / self.n,
            "loss": self.loss_sum / self.n,
            "n": self.n,
        }


def correct_within(logits: Tensor, labels: Tensor, k: int) -> Tensor:
    """Return for each sample whether its label is among the k highest logits: bool (N,).

    Among equal logits the lower class comes first, so ties have one answer everywhere. A row with a logit
    that is no number is wrong.
    """
    own = logits.gather(1, labels[:, None])
    classes = torch.arange(logits.shape[1], device=logits.device)
    before = (logits > own) | ((logits == own) & (classes < labels[:, None]))
    return (before.sum(1) < k) & ~logits.isnan().any(1)


@torch.no_grad()
def logits_of(model: nn.Module, images: Tensor, batch_size: int, precision: Autocast, flip: bool) -> Tensor:
    """Return a model's answers to a batch: float32 (n, classes).

    A short batch is filled up with zeros before the forward pass, so that every pass has one shape and a sample's
    logits do not depend on how many workers there are; what was filled in is not returned.

    Args:
        model: in evaluation mode; gives logits.
        images: (n, C, H, W), n at most ``batch_size``.
        batch_size: of the forward pass.
        precision: context of the forward pass.
        flip: take the mean of an image's logits and its mirror image's.
    """
    n = len(images)
    if n < batch_size:
        images = torch.cat([images, images.new_zeros(batch_size - n, *images.shape[1:])])
    with precision():
        logits = model(images)
        if flip:
            logits = (logits + model(images.flip(3))) / 2
    answers: Tensor = logits[:n].float()
    return answers


def in_step(
    batches: Iterable[tuple[Tensor, Tensor]], nothing: Tensor, world: World
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield a rank's batches, and then empty ones for as long as another rank has some.

    Where ranks have a part of each weight, every forward pass takes all of them.

    Args:
        batches: images (N, C, H, W) and labels (N,).
        nothing: images of an empty batch: (0, C, H, W).
        world: the processes.
    """
    own = iter(batches)
    empty = nothing, torch.zeros(0, dtype=torch.int64, device=nothing.device)
    while True:
        batch = next(own, None)
        if not world.most(int(batch is not None)):
            return
        yield empty if batch is None else batch


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    batch_size: int,
    classes: int,
    precision: Autocast,
    world: World,
    flip: bool = False,
) -> Score:
    """Return the score over all ranks' batches, the same on every rank.

    Args:
        model: gives logits (N, classes).
        batches: this rank's images (N, C, H, W) and labels (N,).
        batch_size: of every forward pass.
        classes: number of them.
        precision: context of the forward pass.
        world: the processes.
        flip: take the mean of an image's logits and its mirror image's.
    """
    counts = torch.zeros(3, dtype=torch.int64, device=world.device)
    loss = torch.zeros((), dtype=torch.float64, device=world.device)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    for images, labels in batches:
        n = len(labels)
        logits = logits_of(model, images, batch_size, precision, flip)
        first = correct_within(logits, labels, 1).sum()
        fifth = correct_within(logits, labels, min(5, classes)).sum()
        counts += torch.stack([torch.tensor(n, device=world.device), first, fifth])
        loss += nn.functional.cross_entropy(logits, labels, reduction="sum").double()
    for module, training in modes:  # each its own: what is frozen is not in training
        module.training = training
    world.sum(counts)
    world.sum(loss)
    n, correct1, correct5 = counts.tolist()
    return Score(n, correct1, correct5, loss.item())
